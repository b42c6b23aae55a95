"""Hydra launchers of handpose, found through `handpose.config.schema.register`."""
