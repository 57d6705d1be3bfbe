"""How a story opens: who and where, season, mood, and the remark that mood makes true or ironic."""

OPEN = (
    "It {be} {season}, and {H} {spend1} every day {atP} with {his1} {rel} {F}.",
    "{when}, {H} {be1} {atP} with {his1} {rel} {F}.",
    "Nobody {know} the {P} better than {Hs} {rel} {F}, except perhaps {Ho}.",
    "Every {season} {H} {go1} to the {P} with {his1} {rel} {F}.",
    "{when}, {Hs} {rel} {F} {find} {Ho} {atP}, alone with {i1} and {i2}.",
    "That {season}, {Hs} {rel} {F} {come} to the {P} and {bring} <list={i1}, {i2} and {i3}>.",
)

# Sentences that show the season without naming it.
SEASON = {
    "winter": (
        "<implied:winter=Everybody's breath {hang} in the air like smoke>.",
        "<implied:winter=The windows {be+} white with frost, and [thick] snow {creak} under the boots>.",
        "<implied:winter=By four o'clock the lamps {have} to be lit>.",
    ),
    "spring": (
        "<implied:spring=The first swallows {be+} back, and there {be} mud on every shoe>.",
        "<implied:spring=The cherry trees {be+} in blossom, and everybody {sneeze}>.",
        "<implied:spring=The last snow {be} melting, and every gutter {sing}>.",
    ),
    "summer": (
        "<implied:summer=It {be} so hot that the dogs {lie+} in the shade with their tongues out>.",
        "<implied:summer=There {be+} wasps on every plum, and nobody {wear} shoes>.",
        "<implied:summer=The grass {be} yellow and dry, and no rain {have} fallen for weeks>.",
    ),
    "autumn": (
        "<implied:autumn=Brown leaves {blow+} about everywhere, and the geese {be+} flying south>.",
        "<implied:autumn=There {be} a smell of smoke and apples, and the swallows {be+} gone>.",
        "<implied:autumn=Every morning the fog {stay} a little longer, and the last pears {fall+} "
        "from the trees>.",
    ),
}

MOOD = {
    "cheerful": (
        "<mood:cheerful={H} {whistle1} from the moment {he1} {open1} {his1} eyes>.",
        "<mood:cheerful=Everybody {laugh} a great deal that day, mostly about nothing>.",
        "<mood:cheerful={H} {feel1} so happy that {he1} {can} have hugged a lamp post>.",
    ),
    "gloomy": (
        "<mood:gloomy={H} {have1} hardly said a word for days>, and {F} {do} not ask why.",
        "<mood:gloomy={Hs} heart {be} heavy, and even the bread {taste} of dust>.",
        "<mood:gloomy=Everything {look} grey and sad, and {F} {sigh} all day long>.",
    ),
    "anxious": (
        "<mood:anxious={H} {have1} slept badly and {jump1} at every noise>.",
        "<mood:anxious=Something {be} about to go wrong; {H} {feel1} it in {his1} stomach>.",
        "<mood:anxious={F} {bite} {his2} nails and {look} over {his2} shoulder again and again>.",
    ),
    "calm": (
        "<mood:calm=It {be} a slow and peaceful day, and nobody {raise} a voice>.",
        "<mood:calm={H} {breathe1} slowly and {think1} of nothing at all>.",
        "<mood:calm=The hours {go} by as softly as cats>.",
    ),
}

# What is said; in a gloomy or anxious story the speaker means the opposite.
_REMARKS = ("What a lovely day", "Everything is going so well", "How lucky we are")
_FINE = ("The sun {come} out from behind a cloud", "Somebody {begin} to sing", "There {be} fresh cake")
_FOUL = ("It {begin} to rain again", "A shoe {lose} its heel", "Somebody {drop} the whole basket")


def _remarks(before: tuple[str, ...], opening: str, closing: str) -> tuple[str, ...]:
    return tuple(
        f'{sign}. "<sf={opening}{remark}{closing},>" {{F}} {{say}}.'
        for sign, remark in zip(before, _REMARKS, strict=True)
    )


REMARK = {
    "cheerful": _remarks(_FINE, "", ""),
    "calm": _remarks(_FINE, "", ""),
    "gloomy": _remarks(_FOUL, "<irony=", ">"),
    "anxious": _remarks(_FOUL, "<irony=", ">"),
}

LEAVE = (
    "<leaving={H} {leave1} the {P}> {then} and {set1} off for the {Q}.",
    "<leaving={H} {turn1} {his1} back on the {P}> and {make1} {his1} way to the {Q}.",
    "It {be} a long way to the {Q}, so <leaving={H} {say1} goodbye to the {P}> and {go1}.",
)
RETURN = (
    "<return=When {H} {come1} back to the {P}>, {F} {be} still there.",
    "<return=The {P} {look} smaller when {H} {see1} it again>, and {F} {be} sitting there with {i1}.",
    "<return=At last {H} {reach1} the {P}, where it had all begun>.",
)
MEET = (
    'On the way {H} {meet1} {O}, the {role}. "<so=<advice=Take your time,>>" {O} {say}.',
    '{O}, the {role}, {look} up. "<so=<advice=If you are ever in doubt, count to ten,>>" {O} {say}.',
    "{O}, the {role}, {have} some advice for {Ho}: <advice=first look, then touch>.",
)
