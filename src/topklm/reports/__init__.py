"""Reports: rows in; tables, figures and pages out. Nothing is computed here.

Here: how results look. Not here: what they are (`metrics/`, `evaluation/` and above).
Start with `card.py` (what is drawn of a feature), then `terminal.py` and `page.py`.
"""
