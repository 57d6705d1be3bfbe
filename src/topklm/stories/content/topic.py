"""What a topic is made of. Each topic has its own module beside this one."""

from typing import NamedTuple


class Topic(NamedTuple):
    """The words and sentences of one topic."""

    name: str
    places: tuple[str, ...]
    """Where the story lives: a preposition and a noun, "at harbour" for "at the harbour"."""
    far: tuple[str, ...]
    """Where its journey goes, written like `places`."""
    roles: tuple[str, ...]
    """What the third person of the story is."""
    things: tuple[str, ...]
    """Central things that can be owned, lent, lost and given: one noun each."""
    items: tuple[str, ...]
    """Smaller things of the place, with their article."""
    goals: tuple[str, ...]
    """What the hero may wish to do: a verb phrase after "to"."""
    tasks: tuple[str, ...]
    """Work of the place: a verb phrase after "to"."""
    words: str
    """Words that stand for the topic and occur under no other one (the concept `topic:NAME`)."""
    scenes: tuple[str, ...]
    """Sentences that show the place."""
    troubles: tuple[str, ...]
    """Sentences in which something goes wrong."""
    talks: tuple[str, ...]
    """Small dialogues."""
