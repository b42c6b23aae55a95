"""Checks before a run: all problems at once, without heavy imports."""
