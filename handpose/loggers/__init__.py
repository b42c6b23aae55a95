"""Loggers: metrics.csv of every run, W&B and TensorBoard (`logger=`)."""
