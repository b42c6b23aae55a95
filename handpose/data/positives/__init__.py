"""Positives from other images: pairs of similar poses."""
