"""Launchers of our own. `handpose.config.register` shows Hydra the way here."""
