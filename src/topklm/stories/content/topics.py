"""All topics, in the order in which they are drawn and listed."""

from . import (
    farm,
    food,
    forest,
    health,
    home,
    market,
    music,
    school,
    sea,
    sport,
    travel,
    weather,
    work,
)
from .topic import Topic

TOPICS: tuple[Topic, ...] = tuple(
    module.TOPIC
    for module in (
        work,
        food,
        sea,
        farm,
        school,
        music,
        weather,
        health,
        sport,
        travel,
        home,
        market,
        forest,
    )
)
