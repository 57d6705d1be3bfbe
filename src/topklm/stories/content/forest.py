"""The forest: trees, river, animals of the night."""

from .topic import Topic

TOPIC = Topic(
    name="forest",
    places=("in forest", "by river", "in clearing", "at hunting lodge"),
    far=("in valley", "at waterfall", "in old quarry", "in cave"),
    roles=("forester", "hunter", "woodcutter", "hermit"),
    things=("lantern", "axe", "basket", "flute", "walking stick", "hunting knife"),
    items=(
        "a mushroom",
        "a feather",
        "a pine cone",
        "a torch",
        "a blanket",
        "a birdcage",
        "a hatchet",
        "a bundle of sticks",
    ),
    goals=("see the white stag", "cross the river without a bridge", "spend a night in the cave"),
    tasks=("gather mushrooms", "chop the fallen trees", "count the deer", "clear the path"),
    words=(
        "forest river clearing lodge valley waterfall quarry cave forester hunter woodcutter "
        "hermit axe mushroom mushrooms feather pine torch hatchet stag deer fox foxes owl owls "
        "oak moss ferns beaver path woodpecker hollow"
    ),
    scenes=(
        "A bat {fly} out of the cave and {write} black circles into the sky.",
        "High up in the hollow oak a bat {hang} upside down, folded like an umbrella.",
        "The bark of the old oak {be} so rough that {H} {scratch1} {his1} hand on it.",
        "A beetle {crawl} over the bark, and a woodpecker {hear} it from three trees away.",
        "A trunk {lie} across the path, hollow and full of beetles.",
        "Somebody {have} carved two letters into the trunk of a beech, and they {have+} grown wide.",
        "On the river bank a beaver {work} as if it had been paid for it.",
        "The bank {be} steep and slippery, and the river under it {be} brown and fast.",
        "From a spring between two stones clear water {run} down over the moss.",
        "The deer {be+} drinking at the spring, one after the other, the smallest last.",
        "An owl {call}, and another owl {answer} from the far side of the valley.",
        "The ferns {stand+} so high that only {Hs} hat {can} be seen.",
        "Under the bark of a fallen trunk there {be} a whole town of beetles.",
        "A fox {be} standing in the clearing, one foot in the air, listening.",
        "On the other bank a deer {be} drinking, and its picture in the water {be} drinking too.",
        "The spring {be} so clear that one {can} count the stones under the water.",
    ),
    troubles=(
        "Then the bank {give} way, and {H} {fall1} into the river with a splash.",
        "A bat {fly} into {Hs} hair, {he1} {fall1}, and the path {be} nowhere to be seen.",
        "With a crack a rotten trunk {fall} across the path, and there {be} no way round it.",
        "Night {come} early between the trees, and every path {look} like every other path.",
    ),
    talks=(
        '"<sh=<question=Is the water of the spring good to drink?>>" {H} {ask1}. "<sf=The foxes '
        "think "
        'so,>" {F} {say}.',
        '"<sf=<question=What lives under the bark?>>" {F} {ask}. "<sh=Somebody with six legs and '
        "no "
        'rent to pay,>" {H} {say1}.',
        '"<sf=Listen, a bat,>" {F} {say}. "<sh=I hear nothing,>" {H} {say1}. "<sf=Exactly. That '
        "is how "
        'a bat sounds.>"',
        '"<sf=<question=How old is this oak?>>" {F} {ask}. "<sh=Ask the owls. They pay the '
        'rent,>" {H} {say1}.',
    ),
)
