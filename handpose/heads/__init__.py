"""Heads: features in, a 2.5D pose out."""
