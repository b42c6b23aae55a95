"""Whether labels can be those of hands. Runs once, when an index is built.

`per_source.py` looks for what is wrong with a source as a whole, and names the likely cause: such a
source is refused. `per_hand.py` checks each hand: one that cannot be right is a bad record, to be
fixed or left out by a quarantine. Limits are far from any real hand; what is unusual is a warning.
"""
