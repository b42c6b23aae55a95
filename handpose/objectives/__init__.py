"""Pre-training objectives: features and views in, a loss out."""
