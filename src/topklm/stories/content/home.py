"""Home: kitchen, attic, dog and family."""

from .topic import Topic

TOPIC = Topic(
    name="home",
    places=("in kitchen", "in living room", "in attic", "in hallway"),
    far=("in cellar", "in garden shed", "in house across the street", "in top flat"),
    roles=("plumber", "landlady", "chimney sweep", "lodger"),
    things=("key", "teapot", "quilt", "photograph", "deck of cards", "candle"),
    items=(
        "a broom",
        "a cushion",
        "a doorbell",
        "an armchair",
        "a duster",
        "a birthday card",
        "a jigsaw",
        "a mirror",
    ),
    goals=("build a house of cards up to the ceiling", "repair the doorbell", "sleep in the attic"),
    tasks=("sweep the stairs", "iron the sheets", "beat the rugs", "wash the dishes"),
    words=(
        "kitchen attic hallway shed plumber landlady chimney sweep teapot quilt broom cushion "
        "doorbell armchair duster jigsaw repair iron sheets rugs dishes sofa curtains fridge "
        "bathtub wallpaper puppy doormat upstairs card cards"
    ),
    scenes=(
        "The dog {give} a short bark whenever anybody {say} the word walk.",
        "A deep bark {come} from behind the sofa, and then a very small puppy.",
        "The key {turn} twice in the lock, as it {have} done every night for years.",
        "Nobody {know} any more which door the rusty key once opened.",
        "The light over the table {go} out and on again, and everybody {look} at the plumber.",
        "Somebody {have} left the light on in the cellar again.",
        "In the attic {stand} a chest full of letters and moths.",
        "The chest under the window {squeak} when it {be} opened, like a gate in the wind.",
        "{F} {take} the deck and {give} five cards to everybody, even to the dog.",
        "The deck {be} so old that the queen {have} lost her face.",
        "The wallpaper {come} off in the corner, and under it there {be} an older wallpaper.",
        "{H} {find1} a sock behind the fridge and {greet1} it like an old friend.",
        "The dog {be} lying across the doormat, so that nobody {can} come or go without his leave.",
        "A light {be} still on upstairs, and somebody {be} walking to and fro.",
        "There {be} always one key too many on the hook, and nobody {dare} to throw it away.",
    ),
    troubles=(
        "Then the light {go} out, and in the dark something {crash} down the stairs.",
        "The key {break} off in the lock, and water {begin} to come through the ceiling.",
        "With a wild bark the dog {race} through the hallway and {pull} down the chest, the shelf "
        "and "
        "the curtains.",
        "The ceiling {come} down in the middle of the night, with the bathtub and the lodger in it.",
    ),
    talks=(
        '"<sh=<question=Where is the key?>>" {H} {ask1}. "<sf=Where you left it,>" {F} {say}, as '
        "people "
        "always {do+}.",
        '"<sf=<question=What is in the chest?>>" {F} {ask}. "<sh=Everything we were looking for '
        "last "
        'year,>" {H} {say1}.',
        '"<sf=That was the bark of a lion,>" {F} {say}. "<sh=It was the puppy,>" {H} {say1}. '
        '"<sf=Then '
        'the puppy has swallowed a lion.>"',
        '"<sf=<question=Did you hear that bark?>>" {F} {ask}. "<sh=The dog is talking to the '
        'light again,>" {H} {say1}.',
    ),
)
