"""The words and sentences of the stories, as plain data: no engine code, no randomness.

One module per topic (`sea`, `farm`, ...), one per plot group, and the general lexicons. The little
language of the sentences is described in `stories/template.py`.
"""
