"""The index of a dataset root: its annotations as memory-mapped arrays, built and checked once.

A source (such as `handpose/data/sources/interhand.py`) reads the annotations and hands what it
finds to a `Collector`. Every image is then decoded once. The good hands become an `ArrayFolder` in
the cache, the bad files and records a table of (file, reason).
"""
