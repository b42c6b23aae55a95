"""Launchers of our own. `handpose.config.schema.register` shows Hydra the way here."""
