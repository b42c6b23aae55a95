"""The index of a dataset root: its annotations as memory-mapped arrays, built and checked once.

A reader (a source's own file, such as `handpose/data/sources/interhand.py`) goes through the
annotations and hands what it finds to a `Collector`; the pictures are then decoded once; what is
good becomes an `ArrayFolder` in the cache, and what is not a table of (file, reason).
"""
