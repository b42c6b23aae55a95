"""A soak: a run that is killed at random moments until it is finished, beside one left in peace."""
