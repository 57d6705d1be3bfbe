"""The stages of a comparison: each makes what is missing in a run and returns rows about it.

Here: one function a stage, `Work` in, `Found` out. Not here: their order and what is kept of them
(`comparison/comparing.py`), what the rows mean for the claims (`comparison/claims.py`).
Start with `work.py`, then `table.py`, which lists all stages.
"""
