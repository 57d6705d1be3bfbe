"""Evaluation: how well a model predicts text that it was not trained on.

Here: held-out loss, perplexity, bits per byte, with intervals; tasks of our own and of lm-eval.
Not here: what single neurons mean (`metrics/`), training (`training/`).
Start with `heldout.py`; for tasks with `story_tasks.py`, then `harness.py`.
"""
