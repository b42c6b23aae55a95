"""Affine maps, cameras, the 2.5D pose and alignment: tensors in, tensors out."""
