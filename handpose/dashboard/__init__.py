"""A saved workspace of Weights & Biases that compares the runs of a project."""
