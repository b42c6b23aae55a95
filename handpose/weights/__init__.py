"""Weights from elsewhere: what is read, and how it is loaded into a backbone."""
