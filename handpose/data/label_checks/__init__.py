"""Plausibility checks of labels, run once when an index is built.

`per_source.py` checks a source as a whole and refuses a wrong one with the likely cause.
`per_hand.py` checks each hand; an impossible one is a bad record, to fix or to leave out by a
quarantine. Limits are far from any real hand; unusual values are warnings.
"""
