"""Whether labels can be those of hands. Run once, when an index is built.

`sources.py` looks for what is wrong with a source as a whole, and names the likely cause: such a
source is refused. `faults.py` looks at each hand: one that cannot be right is a bad record, to be
fixed or left out by a quarantine. Limits are far from any hand; what is unusual is a warning.
"""
