"""Renders random articulated hands: images with exact labels, without a download."""
