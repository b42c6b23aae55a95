"""A study: many runs of train.py from one YAML file, and their comparison with intervals."""
