"""Packed crops: what the views of a split can show, cut out once and stored for fast reads."""
