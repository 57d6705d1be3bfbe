"""Evaluation: how well a model predicts text that it was not trained on.

Here: held-out loss, perplexity, bits per byte, with intervals.
Not here: what single neurons mean (`metrics/`), training (`training/`).
Start with `heldout.py`.
"""
