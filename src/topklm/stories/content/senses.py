"""Ambiguous words: what each one means under which topic. Plurals are listed with their word."""

# word -> {topic: sense}; under a topic that is not listed the word does not occur.
SENSES: dict[str, dict[str, str]] = {
    "bat": {"forest": "animal", "sport": "club"},
    "bank": {"forest": "river", "market": "money"},
    "ring": {"market": "jewel", "sport": "boxing"},
    "wave": {"sea": "water", "travel": "hand"},
    "bark": {"forest": "tree", "home": "dog"},
    "spring": {"forest": "water", "work": "coil"},
    "seal": {"sea": "animal", "work": "wax"},
    "net": {"sea": "fishing", "sport": "goal"},
    "light": {"home": "lamp", "weather": "slight"},
    "rock": {"sea": "stone", "music": "style"},
    "match": {"sport": "game", "food": "fire"},
    "pitch": {"sport": "field", "music": "tone"},
    "trunk": {"forest": "tree", "travel": "luggage"},
    "bow": {"sea": "ship", "music": "violin"},
    "deck": {"sea": "ship", "home": "cards"},
    "note": {"music": "tone", "school": "paper"},
    "key": {"music": "piano", "home": "door"},
    "scale": {"music": "tones", "market": "weight"},
    "organ": {"music": "instrument", "health": "body"},
    "chest": {"home": "box", "health": "body"},
    "nail": {"work": "metal", "health": "finger"},
    "bolt": {"work": "screw", "weather": "lightning"},
    "plant": {"work": "factory", "farm": "crop"},
    "mouse": {"work": "computer", "farm": "animal"},
    "crane": {"work": "machine", "farm": "bird"},
    "pen": {"school": "writing", "farm": "fence"},
    "palm": {"travel": "tree", "health": "hand"},
    "jam": {"travel": "traffic", "food": "fruit"},
    "cold": {"weather": "air", "health": "illness"},
    "date": {"school": "day", "market": "fruit"},
}

PLURALS = {"bats": "bat", "matches": "match", "dates": "date"}

# A bat is an animal in the forest only: lexical concepts that a sense brings with it.
IMPLIED: dict[str, str] = {
    "bat/animal": "animal",
    "seal/animal": "animal",
    "mouse/animal": "animal",
    "crane/bird": "animal",
    "nail/finger": "body",
    "palm/hand": "body",
    "chest/body": "body",
    "organ/body": "body",
    "chest/box": "furniture",
    "bolt/lightning": "sky",
    "cold/air": "sky",
    "wave/water": "water",
    "spring/water": "water",
    "date/fruit": "eating",
    "jam/fruit": "eating",
    "plant/factory": "building",
    "note/paper": "paper",
}

# The season is a third meaning of "spring"; it is marked where the season is named.
SEASON_SENSE = {"spring": "spring/season"}
