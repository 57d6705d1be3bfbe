"""The bars that results are judged by. It imports nothing, so that results can be read without torch."""

LIVE = 1e-4
"""A feature that fires on a larger share of tokens is live."""
EMERGED = 0.5
"""A feature has emerged from where its similarity to its final self stays at least this."""
LABELLED = 0.5
"""A feature is labelled whose concept it tells with at least this F1 on held-out documents."""
