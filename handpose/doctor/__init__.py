"""The doctor: what lies on disk, what is wrong with it, and what to do about it.

A source is opened as a training would open it (`source.py`) and looked at (`findings.py`); the
facts become lines of advice (`advice.py`) and are shown in the terminal, on a page and as JSON.
"""
