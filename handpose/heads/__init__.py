"""Pose heads: features of a crop in, a 2.5D pose out."""
