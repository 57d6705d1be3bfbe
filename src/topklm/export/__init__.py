"""Other tools' formats: all knowledge of them is here, one file per tool.

Here: what an index holds, written as delphi's latent cache or as Neuronpedia's exports.
Not here: the index itself (`index/`). `docs/formats.md` says which versions were checked, and how.
Start with `tools.py`, which lists the tools.
"""
