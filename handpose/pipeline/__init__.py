"""A run: its directory, its stages, and the parts that its configuration names."""
