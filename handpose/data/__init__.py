"""Data sources -> Sample -> batches."""
