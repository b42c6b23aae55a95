"""Augmentation: parameters are drawn first, as numbers, and applied after, to the pixels."""
