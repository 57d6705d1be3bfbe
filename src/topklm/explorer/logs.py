"""What the terminal is told. People's prompts and texts stay out of it unless that was asked for."""

import logging
import traceback

from .steered import Writing

logger = logging.getLogger("topklm.explorer")


class Log:
    """Writes to the logger `topklm.explorer`. prompts: whether it may hold what people write."""

    def __init__(self, *, prompts: bool = False) -> None:
        self.prompts = prompts

    def steered(self, writing: Writing) -> None:
        """Note that texts are asked for."""
        said = f": {writing.prompt!r}" if self.prompts else ""
        tokens = writing.lines[0].max_new_tokens
        logger.info("texts: %d of %d tokens, %s%s", len(writing.names), tokens, writing.names[-1], said)

    def failed(self, error: Exception) -> str:
        """Note where a mistake of ours happened; return what may be answered.

        The error's own words may quote a prompt, so they too are left out unless asked for.
        """
        where = "".join(traceback.format_tb(error.__traceback__))
        logger.error("%s%s%s", where, type(error).__name__, f": {error}" if self.prompts else "")
        return "Something went wrong here. The terminal that runs the explorer says what."
