"""Names, kin and times, shared by all topics."""

# fmt: off
WOMEN = (
    "Ada", "Anna", "Clara", "Dora", "Edith", "Elsa", "Emma", "Flora",
    "Greta", "Hanna", "Ida", "Julia", "Lena", "Lucy", "Mara", "Nina",
)
MEN = (
    "Adam", "Anton", "Ben", "David", "Emil", "Felix", "Hugo", "Jonas",
    "Karl", "Leo", "Martin", "Noah", "Oscar", "Paul", "Simon", "Tom",
)
# fmt: on

# (what the friend is to the hero, gender: f, m or - for either)
RELATIONS = (
    ("sister", "f"),
    ("brother", "m"),
    ("aunt", "f"),
    ("uncle", "m"),
    ("grandmother", "f"),
    ("grandfather", "m"),
    ("cousin", "-"),
    ("friend", "-"),
    ("neighbour", "-"),
)

DEADLINES = (
    "before dark",
    "before supper",
    "by Friday",
    "by Sunday",
    "within a week",
    "before the holidays",
)

# What somebody is warned of; it follows "do not", "did not" and "did".
WARNINGS = ("stop on the way", "take the short way", "talk to strangers", "look back")

# time of day -> phrases
TIMES = {
    "morning": ("one morning", "early in the morning", "soon after breakfast"),
    "noon": ("one day at noon", "in the middle of the day", "shortly before lunch"),
    "evening": ("one evening", "towards evening", "just before supper"),
    "night": ("one night", "in the middle of the night", "shortly before midnight"),
}
SEASONS = ("winter", "spring", "summer", "autumn")
MOODS = ("cheerful", "gloomy", "anxious", "calm")
