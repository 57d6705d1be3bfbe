"""The farm: stable, field, orchard."""

from .topic import Topic

TOPIC = Topic(
    name="farm",
    places=("on farm", "in barn", "in stable", "in orchard"),
    far=("at mill pond", "in far meadow", "on hill pasture", "at cattle fair"),
    roles=("farmer", "shepherd", "milkmaid", "blacksmith"),
    things=("saddle", "pitchfork", "cowbell", "wheelbarrow", "milk can", "horseshoe"),
    items=(
        "a sack of oats",
        "a scarecrow",
        "a bridle",
        "a hen",
        "a pumpkin",
        "a turnip",
        "a hayfork",
        "a trough",
    ),
    goals=("ride the black horse", "grow the biggest pumpkin", "win the prize for the best cow"),
    tasks=("milk the cows", "stack the hay", "shear the sheep", "pick the plums"),
    words=(
        "farm barn stable orchard meadow pasture cattle farmer shepherd milkmaid blacksmith "
        "saddle pitchfork cowbell wheelbarrow horseshoe oats scarecrow bridle hen pumpkin turnip "
        "trough horse cow milk hay lamb plums pigs donkey tractor wheat field rooster manure"
    ),
    scenes=(
        "A mouse {run} along the beam with an ear of wheat in its mouth.",
        "The barn cat {be} watching a mouse with one eye and sleeping with the other.",
        "A crane {be} walking through the meadow on legs like stilts.",
        "Over the pond a crane {open} its grey wings and {be} gone.",
        "The pigs {break+} out of the pen and {eat+} the cabbages.",
        "In the pen behind the stable a lamb {be} crying for its mother.",
        "Every plant in the field {lean} to the same side, like people on a bus.",
        "{H} {pull1} up a plant, and a crooked carrot {hang} from it.",
        "The rooster {stand} on the manure and {announce} the time, wrong as always.",
        "A cow {chew} and {chew} and {look} into the distance.",
        "The donkey {do} not want to move until somebody {scratch} its ears.",
        "Hungry crows {follow+} the tractor down the lane.",
        "In the corner of the barn a mouse {be} building a nest out of an old newspaper.",
        "The farmer {be} talking to his cows about the price of milk.",
        "A grey crane {be} standing on one leg in the ditch, as still as a post.",
    ),
    troubles=(
        "Then the pen {burst} open, and forty sheep {run+} in forty directions.",
        "A mouse {frighten} the black horse, and it {gallop} off across every young plant in the field.",
        "Lightning {strike} the barn, and the cows {break+} down the fence.",
        "The tractor {roll} down the hill without a driver, straight through the pen.",
    ),
    talks=(
        '"<sh=<question=Is the pen shut?>>" {H} {ask1}. "<sf=The pigs say yes,>" {F} {say}.',
        '"<sf=Look, a crane,>" {F} {say}. "<sh=<question=Does it eat fish?>>" {H} {ask1}. "<sf=It '
        "eats "
        'whatever holds still.>"',
        '"<sf=<question=What does this plant need?>>" {F} {ask}. "<sh=Rain, and no more advice,>" '
        "{H} "
        "{say1}.",
        '"<sf=<question=Was that a mouse?>>" {F} {ask}. "<sh=It was two, and they were in '
        'love,>" {H} {say1}.',
    ),
)
