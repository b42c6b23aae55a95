"""Sweeps: what becomes of each cell, and the table of all of them."""
