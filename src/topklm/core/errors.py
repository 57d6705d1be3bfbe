"""Errors that are answered with one line instead of a traceback.

    TopKLMError
    ├── InputError (also a ValueError)   what the user gave does not fit; exit code 2
    │   ├── CorpusError                  a text source: missing, empty, malformed
    │   │   └── StreamError              one that broke off; what came is kept
    │   ├── ColumnError                  a column of a corpus: none, or it tells no documents apart
    │   ├── RunError                     a run directory: none, another's, busy, damaged
    │   └── DiskFullError                no space left where a result should go
    ├── TrainingError                    training cannot go on: a loss that is not finite; exit code 1
    ├── LostProcessError                 another process of the job ended or does not answer; exit code 1
    └── Interrupted                      stopped by Ctrl-C or SIGTERM, what was done is kept; exit code 130

A broken promise of our own is an `assert`, never one of these.
"""


class TopKLMError(Exception):
    """Base of all errors that topklm raises on purpose."""


class InputError(TopKLMError, ValueError):
    """What the user gave does not fit; the message says what is allowed."""


class CorpusError(InputError):
    """A text source is missing, empty or malformed."""


class StreamError(CorpusError):
    """A text that is streamed broke off; what came before is kept, and it can go on."""


class ColumnError(InputError):
    """A column of a corpus is not there, or tells no documents apart."""


class RunError(InputError):
    """A run directory is missing, damaged, busy, or belongs to something else."""


class DiskFullError(InputError):
    """There is no space left where a result should go."""


class TrainingError(TopKLMError):
    """Training cannot go on."""


class LostProcessError(TopKLMError):
    """Another process of the same job ended or does not answer; what was done is kept."""


class Interrupted(TopKLMError):
    """Long work was stopped by Ctrl-C or SIGTERM; what was done is kept, and it can go on."""


def first_line(error: Exception) -> str:
    """Return an error's first line, or its kind where it has none."""
    return str(error).splitlines()[0] if str(error) else type(error).__name__
