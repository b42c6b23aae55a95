"""Launchers of our own, here since Hydra takes plugins from `hydra_plugins` alone."""
