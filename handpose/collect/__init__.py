"""Collects hands from images and videos as training data, by a detector."""
