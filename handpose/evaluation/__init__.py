"""Metrics, protocols, submission files, embedding health."""
