"""Lexical concepts: words that stand for the concept wherever they occur.

Verbs are given by base form; all their forms count. Ambiguous words have no place here: senses.py
gives them a meaning under each of their topics.
"""

# concept -> (description, words, verbs)
LEXICON: dict[str, tuple[str, str, str]] = {
    "colour": (
        "a colour",
        "red blue green yellow black white brown grey silver pale",
        "",
    ),
    "number": (
        "a number in words",
        "two three four five six seven nine eleven twelve forty thirty hundred dozen twice once "
        "half pair both second third fourth",
        "",
    ),
    "animal": (
        "an animal",
        "cat cats dog dogs puppy lion gull gulls fish crab crabs herring lobster mackerel "
        "dolphins swallows geese goose wasps tortoise magpie magpies deer stag fox foxes owl "
        "owls squirrel squirrels beaver beetle beetles badger woodpecker trout hedgehog horse "
        "horses cow cows sheep crows wasp lamb lambs pig pigs piglets hen hens donkey rooster "
        "foal hamster camel camels moths parrots cattle",
        "",
    ),
    "eating": (
        "something to eat or drink",
        "bread cake soup butter cream pepper sausage pancake onions potatoes pudding roast "
        "gravy honey cinnamon flour sugar garlic stew biscuits toast salt plums plum apples "
        "pears cherries milk carrot cabbages pumpkin turnip mushroom mushrooms loaf lunch "
        "supper breakfast sandwich dough oats wheat",
        "eat drink chew taste",
    ),
    "body": (
        "a part of the body",
        "hand hands head face eye eyes ear ears foot heart knees arm arms hair finger fingers "
        "thumb legs leg lips nose teeth tongues stomach shoulder mouth bones heads forehead "
        "liver elbows neck claws whiskers belly bellies breath",
        "",
    ),
    "kin": (
        "a relative",
        "sister brother aunt uncle grandmother grandfather cousin mother father parents family",
        "",
    ),
    "clothing": (
        "something to wear",
        "hat shoe shoes coat sock pocket shirt boot boots gloves scarf jersey jerseys raincoat "
        "slippers overalls sleeve heel handkerchiefs goggles button lining",
        "wear",
    ),
    "furniture": (
        "a piece of furniture",
        "table chair desk sofa cupboard drawer bed beds shelf armchair wardrobe bench benches "
        "lamp lamps curtain curtains carpet carpets mirror cushion pillow",
        "",
    ),
    "sky": (
        "weather and sky, under any topic",
        "rain snow wind fog sun storm frost cloud clouds sky stars moon weather lightning "
        "thunder hail drizzle rainbow mist ice",
        "",
    ),
    "day": (
        "a time of day",
        "morning noon evening night midnight today tomorrow yesterday",
        "",
    ),
    "weekday": ("a day of the week", "Monday Mondays Friday Fridays Sunday", ""),
    "size": (
        "a size or a length",
        "big bigger biggest small smaller smallest tiny large tall long longer short great deep "
        "high steep wide narrow",
        "",
    ),
    "joy": (
        "a glad feeling",
        "happy smile glad cheerful lovely fine lucky joy merry wonderful",
        "laugh smile cheer dance hug sing whistle",
    ),
    "sorrow": (
        "a bad feeling",
        "sad sadly sorry gloomy worse angry despair afraid badly heavy alone tired lonely",
        "cry sigh groan miss blame",
    ),
    "trait": (
        "a trait of character by its name",
        "patient brave braver honest careful kind stubborn careless greedy proud lazy hasty "
        "forgetful curious shy generous",
        "",
    ),
    "speaking": (
        "to say something",
        "word words question questions",
        "say ask answer tell whisper shout announce declare explain talk argue thank warn call greet",
    ),
    "moving": (
        "to go from one place to another, or as if",
        "",
        "go come run walk jump climb crawl fly ride race rush wander stumble slide gallop arrive "
        "follow "
        "creep drift",
    ),
    "seeing": ("to see, to look or to look like", "seen", "see look watch notice stare search"),
    "hearing": ("to hear or sound", "noise heard sound crash squeak bell", "hear listen"),
    "handing": (
        "to have, give or take",
        "given taken lent owns owned",
        "give take lend keep bring carry hold fetch share offer borrow",
    ),
    "knowing": (
        "to know, think or forget",
        "known forgotten idea thought",
        "know think remember forget believe understand learn",
    ),
    "negation": ("a word that denies", "no not never nothing nobody none without neither nor", ""),
    "question-word": ("which, who, how or why, asking or not", "which who how why", ""),
    "water": ("water and wet things", "water river pond puddles puddle flood mud wet", "drip"),
    "building": (
        "a building or a part of one",
        "house door doors window windows wall floor roof roofs stairs cellar attic ceiling "
        "kitchen fence gutter corridor barn stable tower chimney staircase lodge",
        "",
    ),
    "paper": (
        "something written or to write on, to read and to write",
        "paper letter letters book books map ticket tickets postcard postcards contract "
        "contracts essay textbook textbooks recipe prescription receipt poster picture card "
        "cards list menu notebook dictionary atlas guidebook chart magazines photograph",
        "write read",
    ),
    "lateness": (
        "a word for being late or last",
        "late later last end finished until",
        "",
    ),
    "frequency": ("how often", "always often sometimes ever again every", ""),
}

WOMAN = "woman's name"
MAN = "man's name"
