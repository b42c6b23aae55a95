"""The doctor: checks a dataset on disk and says what to do.

`sources.py` opens a source as training would, `findings.py` collects facts, `advice.py` turns them
into advice, and `diagnosis.py` and `page.py` show everything.
"""
