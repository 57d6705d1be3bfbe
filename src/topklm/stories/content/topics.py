"""All topics, in the order in which they are drawn and listed."""

from topklm.stories.content import (
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
from topklm.stories.content.topic import Topic

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
