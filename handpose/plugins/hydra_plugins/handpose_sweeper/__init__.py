"""Hydra sweepers of handpose, found through `handpose.config.schema.register`."""
