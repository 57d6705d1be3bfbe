"""Benchmarks: each a ratio of two things, run in alternation on the same input.

`make bench` runs all and appends to RECORDS.md; `python -m benchmarks attention` runs one.
"""
