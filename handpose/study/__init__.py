"""A study: many runs of train.py by one plan, and what they say together, with intervals."""
