"""The index of a dataset root: its annotations as memory-mapped arrays, built and checked once.

A source, such as `handpose/data/sources/interhand.py`, reads the annotations and passes them to a
`Collector`. Then every image is decoded once. Valid hands become an `ArrayFolder` in the cache; bad
files and records become a table of (file, reason).
"""
