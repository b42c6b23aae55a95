"""Backbones: an image in, a feature pyramid out."""
