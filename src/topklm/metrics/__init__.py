"""Metrics: pure functions, tensors in and out, each with its formula and source.

Here: what can be computed from codes, token ids and labels.
Not here: files, models, corpora; whoever calls these has read those already.
Start with `batch.py` (what they read and give), then the topic you need; docs/metrics.md lists them.
"""
