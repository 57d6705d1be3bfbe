"""Changes of a story's hidden variables, of which the tasks are made."""

import random
from typing import Any

from ..stories.content.names import MEN, WOMEN
from ..stories.content.topics import TOPICS
from ..stories.content.traits import TRAITS
from ..stories.variables import Variables

NAMES = {"f": WOMEN, "m": MEN}


def with_fields(variables: Variables, /, **fields: Any) -> Variables:
    """Change some variables and leave the rest."""
    return variables._replace(**fields)


def two_names(dice: random.Random, genders: tuple[str, str]) -> tuple[str, str]:
    """Draw two different names."""
    first = dice.choice(NAMES[genders[0]])
    return first, dice.choice([name for name in NAMES[genders[1]] if name != first])


def third_person(drawn: Variables, dice: random.Random, taken: tuple[str, str]) -> dict[str, str]:
    """Keep the third person apart from two names that others got."""
    free = [name for name in NAMES[drawn.other_gender] if name not in taken]
    return {"other": drawn.other if drawn.other in free else dice.choice(free)}


def trait_of(dice: random.Random, good: bool) -> str:
    """Draw a good trait or a bad one."""
    return dice.choice([trait.name for trait in TRAITS if trait.good == good])


def with_trait(variables: Variables, *, trait: str, plot: str | None = None) -> Variables:
    """Give the hero a trait, with the worth and the outcome that follow from it, without a turn of luck."""
    good = next(one.good for one in TRAITS if one.name == trait)
    return variables._replace(
        trait=trait,
        worth="good" if good else "bad",
        luck="fair",
        outcome="happy" if good else "sad",
        plot=plot or variables.plot,
    )


def with_topic(variables: Variables, *, topic: str, dice: random.Random, plot: str) -> Variables:
    """Move a story to another topic: the people stay, what belongs to the topic is drawn anew."""
    content = next(one for one in TOPICS if one.name == topic)
    return variables._replace(
        topic=topic,
        plot=plot,
        role=dice.choice(content.roles),
        place=dice.choice(content.places),
        far=dice.choice(content.far),
        thing=dice.choice(content.things),
        items=tuple(dice.sample(content.items, 3)),
        goal=dice.choice(content.goals),
        task=dice.choice(content.tasks),
    )
