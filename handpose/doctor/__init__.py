"""The doctor: what a dataset on disk holds, what is wrong with it, and what to do about it.

`sources.py` opens a source as a training would, `findings.py` collects the facts about it,
`advice.py` turns them into advice, and `diagnosis.py` and `page.py` show all of it.
"""
