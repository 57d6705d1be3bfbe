"""Labelled stories: a corpus with ground truth, made from hidden variables."""
