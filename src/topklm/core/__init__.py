"""Small things that every other part needs: names of neurons, errors, statistics, safe files.

Not here: anything that knows torch, models or tokenizers.
Start with `errors.py`: what is the user's mistake and what is ours.
"""
