"""The command line: one file per verb, each only parses, calls and prints.

Not here: anything that computes; the same is reachable from Python without this folder.
Start with `main.py`, which lists the verbs and turns errors into one line and an exit code.
"""
