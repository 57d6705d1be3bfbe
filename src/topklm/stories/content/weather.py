"""Weather: the station on the mountain, storms and forecasts."""

from .topic import Topic

TOPIC = Topic(
    name="weather",
    places=("at weather station", "on mountain", "on observation tower", "in radio house"),
    far=("on summit", "at glacier", "in storm shelter", "on high plateau"),
    roles=("forecaster", "mountaineer", "meteorologist", "balloonist"),
    things=("barometer", "weather balloon", "kite", "radio", "rain gauge", "sledge"),
    items=(
        "a lightning rod",
        "a snow shovel",
        "a raincoat",
        "a weathercock",
        "a pair of goggles",
        "an ice pick",
        "a wind chart",
        "a hot flask",
    ),
    goals=("forecast a hurricane", "climb to the summit", "photograph the northern lights"),
    tasks=("read the rain gauge", "launch the balloon", "shovel the snow", "draw the wind chart"),
    words=(
        "summit glacier shelter plateau forecaster mountaineer meteorologist balloonist barometer "
        "balloon kite gauge sledge raincoat weathercock goggles chart hurricane forecast thunder "
        "drizzle hail hailstones gale breeze clouds rainbow flood observation"
    ),
    scenes=(
        "A light drizzle {fall}, so thin that one only {see} it on a pair of glasses.",
        "The wind {be} light, and the balloon {hang} over the tower like a second moon.",
        "A bolt {break} the sky in two, and the thunder {come} three seconds later.",
        "Each bolt {write} a crooked white line on the clouds.",
        "The cold {come} under the doors and into the shoes.",
        "Up here the cold {be} an old lodger who {do} not pay and {do} not leave.",
        "The weathercock {turn} round once and {forget} why.",
        "The needle of the barometer {sink}, and the forecaster {begin} to sing sadly.",
        "Hailstones as big as cherries {dance+} on the roof.",
        "A rainbow {stand} over the puddles, and nobody {have} time for it.",
        "The clouds {go+} by below, as white and slow as sheep.",
        "{H} {write1} a number into the book every hour, even at night.",
        "There {be} light snow in the air, not enough for a snowball.",
        "The book of the station {say} that it {be} the coldest day in forty years.",
        "A balloon {be} drifting over the glacier, and somebody in it {be} calling for a cup of tea.",
    ),
    troubles=(
        "Then a bolt {strike} the tower, and every instrument {go} dead.",
        "The light breeze {become} a gale, and the door {fly} off its hinges.",
        "The cold {freeze} the cable, and the balloon {tear} itself loose.",
        "The cloud {come} down like a lid, and between the snow and the sky there {be} no line any more.",
    ),
    talks=(
        '"<sh=<question=Will there be hail?>>" {H} {ask1}. "<sf=Ask the barometer, it lies less '
        "than "
        'I do,>" {F} {say}.',
        '"<sf=The cold gets into my bones,>" {F} {say}. "<sh=<question=And the wind?>>" {H} '
        "{ask1}. "
        '"<sf=Into my hat.>"',
        '"<sf=Only light rain tomorrow,>" {F} {say}. "<sh=You said that before the flood,>" {H} {say1}.',
        '"<sf=<question=Was that a bolt?>>" {F} {ask}. "<sh=Count to three, then you will '
        'hear,>" {H} {say1}.',
    ),
)
