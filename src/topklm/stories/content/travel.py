"""Travel: trains, hotels, borders, deserts."""

from .topic import Topic

TOPIC = Topic(
    name="travel",
    places=("at railway station", "in hotel", "at airport", "on night train"),
    far=("at border", "in capital", "in desert", "in mountain village"),
    roles=("guard", "porter", "tourist", "pilot"),
    things=("trunk", "suitcase", "passport", "camera", "map", "ticket"),
    items=(
        "a guidebook",
        "a rucksack",
        "a postcard",
        "a sandwich",
        "an umbrella",
        "a sun hat",
        "a phrase book",
        "a tent",
    ),
    goals=(
        "cross the desert",
        "see the pyramids",
        "travel round the world",
        "catch the night express",
    ),
    tasks=("pack the suitcases", "stamp the tickets", "study the map", "load the camels"),
    words=(
        "railway hotel airport border capital desert porter tourist pilot suitcase suitcases "
        "passport camera ticket tickets guidebook rucksack postcard postcards pyramids travel "
        "express train trains platform taxi passengers tent"
    ),
    scenes=(
        "The train {leave}, and a child at the window {give} everybody a wave.",
        "With a tired wave the guard {let} the last train go.",
        "A trunk with a lion painted on it {stand} alone on the platform.",
        "It {take} two porters and a great deal of bad language to lift the trunk.",
        "A single palm {stand} by the road and {give} shade to eleven camels.",
        "Under the palm an old man {sell} postcards of the palm.",
        "The bus {be} in a jam, and the passengers {get+} out to pick flowers.",
        "There {be} a jam at the border, ten taxis long, and all of them {shout+}.",
        "A tourist {ask} the way and {forget} every word of the answer.",
        "The clock of the station {show} three different times, one on each side.",
        "The pilot {announce} something, but only the word weather {can} be understood.",
        "{H} {read1} the list of trains aloud, as if it were a poem.",
        "An old lady {be} sitting on her trunk in the middle of the station, knitting.",
        "From every window of the bus {come} a wave, as if the whole town were leaving.",
        "One tall palm {be} the only thing to look at, and everybody {be} looking at it.",
    ),
    troubles=(
        "Then the taxi {get} into a jam, and the last train {leave} without a single wave.",
        "The guard at the border {open} the trunk and {shout} for {his1} passport.",
        "The motor {cough} and {die}, and there {be} nothing but sand and one dry palm.",
        "The ticket {be} for yesterday, and the guard {be} already coming down the train.",
    ),
    talks=(
        '"<sf=<question=Is this trunk yours?>>" {F} {ask}. "<sh=Only until somebody else carries '
        'it,>" '
        "{H} {say1}.",
        '"<sh=<question=How long will the jam last?>>" {H} {ask1}. "<sf=Until everybody is at '
        'home,>" '
        "{F} {say}.",
        '"<sf=<question=Did you see the palm?>>" {F} {ask}. "<sh=It was hard to miss. It is the '
        "only "
        'one,>" {H} {say1}.',
        '"<sf=Give them a wave,>" {F} {say}. "<sh=<question=But who are they?>>" {H} {ask1}. '
        '"<sf=I have no idea.>"',
    ),
)
