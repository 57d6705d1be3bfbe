"""Food: bakery, restaurant, feasts."""

from .topic import Topic

TOPIC = Topic(
    name="food",
    places=("in bakery", "in restaurant", "at inn", "in dining room"),
    far=("at palace", "in cookery school", "at wedding feast", "in vineyard"),
    roles=("baker", "cook", "waiter", "innkeeper"),
    things=("frying pan", "recipe", "rolling pin", "soup ladle", "copper pot", "cake tin"),
    items=(
        "a pot of jam",
        "a loaf of bread",
        "a lump of butter",
        "a box of matches",
        "a pepper mill",
        "a jug of cream",
        "a sausage",
        "a pancake",
    ),
    goals=("bake a cake with seven floors", "cook for the king", "invent a new soup"),
    tasks=("peel the potatoes", "knead the dough", "taste the soup", "fry the onions"),
    words=(
        "bakery restaurant inn dining palace cookery feast vineyard baker cook waiter innkeeper "
        "recipe frying ladle copper pot butter pepper cream sausage pancake bake potatoes dough "
        "peel fry oven sugar cinnamon pudding roast menu spoon spoons garlic stove toast"
    ),
    scenes=(
        "The cook {strike} a match, and the stove {answer} with a blue sigh.",
        "Not one match in the box {be} dry, and the soup {stay} raw.",
        "The jam {be} boiling over and {run} down the stove in red tongues.",
        "{H} {put1} so much jam on {his1} toast that the toast {be} lost from sight.",
        "The dough {be} rising quietly under its cloth, like somebody waking.",
        "The waiter {carry} nine plates and {drop} only one.",
        "A smell of cinnamon {walk} through the dining room and {sit} down at every table.",
        "The baker {be} white from head to foot, and {leave} white steps behind him.",
        "The soup {need} salt, the cook {say}, and the cook {need} a holiday.",
        "Potatoes {roll+} over the floor, and the cat {go} after them.",
        "A guest {be} ordering the whole menu, from the first line to the last.",
        "Garlic {hang} from the ceiling in long white plaits.",
        "The jam {be} cooling in forty jars, and a wasp {be} reading the labels.",
        "A child {be} licking the spoon, the bowl and the table, in that order.",
        "There {be} only one match left, and the cook {be} carrying it like an egg.",
    ),
    troubles=(
        "Then a match {fall} into the frying pan, and a flame {jump} up to the ceiling.",
        "All the jam {have} turned to stone, and the guests {sit+} there with their spoons.",
        "The oven {go} out without a word, and the pudding {sink} with a sigh.",
        "The salt and the sugar have changed places, and the king {have} already tasted the cake.",
    ),
    talks=(
        '"<sf=<question=Is there any jam left?>>" {F} {ask}. "<sh=On my sleeve,>" {H} {say1}.',
        '"<sh=<question=Have you got a match?>>" {H} {ask1}. "<sf=Not since you burnt the '
        'roast,>" {F} '
        "{say}.",
        '"<sf=The soup needs something,>" {F} {say}. "<sh=<question=Salt?>>" {H} {ask1}. '
        '"<sf=Another '
        'cook.>"',
        '"<sf=<question=What smells so good?>>" {F} {ask}. "<sh=The jam. Or my hair, I stood '
        'too close,>" {H} {say1}.',
    ),
)
