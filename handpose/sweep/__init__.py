"""Sweeps: cells, their failures, and the result table."""
