"""How a story opens: who and where, season, mood, and the remark that mood makes true or ironic."""

OPEN = (
    "It {be} {season}, and {H} {spend1} (every day|the whole day) {atP} with {his1} {rel} {F}.",
    "{when}, {H} {be1} {atP} with {his1} {rel} {F}.",
    "Nobody {know} the {P} better than {Hs} {rel} {F}, except perhaps {Ho}.",
    "Every {season} {H} {go1} to the {P} with {his1} {rel} {F}.",
    "{when}, {Hs} {rel} {F} {find} {Ho} {atP}, alone with {i1} and {i2}.",
    "That {season}, {Hs} {rel} {F} {come} to the {P} and {bring} <list={i1}, {i2} and {i3}>.",
    "{when}, {Hs} {rel} {F} {ask} {Ho} to come to the {P} and help to {task}.",
    "{H} {be1} supposed to {task} that {season}, together with {his1} {rel} {F}, {atP}.",
    "There {be+} three things {atP} that {H} {love1}: <list={i1}, {i2} and {his1} {rel} {F}>.",
    '"<sf=<question=Will you help me to {task}?>>" {ask} {Hs} {rel} {F}. It {be} {season}, and '
    "there "
    "{be} much to do {atP}.",
    "{Hs} {rel} {F} {know} all about the {P}: who {come}, who {go}, and who {own} <list={i1}, {i2} or {i3}>.",
    "In {season}, when {H} {be1} not needed at home, {he1} {help1} {his1} {rel} {F} {atP}.",
)

# Sentences that show the season without naming it.
SEASON = {
    "winter": (
        "<implied:winter=Everybody's breath {hang} in the air like smoke>.",
        "<implied:winter=The windows {be+} white with frost, and (thick|fresh) snow {creak} under "
        "the "
        "boots>.",
        "<implied:winter=By four o'clock it {be} dark, and the lamps {have+} to be lit>.",
        "<implied:winter=Nobody {go} out without two pairs of gloves>, and {F} {wear} three.",
        "<implied:winter=There {be} ice on the puddles, and the sparrows {sit+} on the branches "
        "like "
        "little round balls of wool>.",
    ),
    "spring": (
        "<implied:spring=The first swallows {be+} back, and there {be} mud on every shoe>.",
        "<implied:spring=The cherry trees {be+} in blossom, and everybody {sneeze}>.",
        "<implied:spring=The last snow {be} melting, and every gutter {sing}>.",
        "<implied:spring=The days {grow+} longer again, and {F} {put} the winter coats away>.",
        "<implied:spring=All the windows {stand+} open for the first time in months>, and all the "
        "neighbours {beat+} their carpets.",
    ),
    "summer": (
        "<implied:summer=It {be} so hot that the dogs {lie+} in the shade with their tongues out>.",
        "<implied:summer=There {be+} wasps on every plum, and nobody {wear} shoes>.",
        "<implied:summer=The grass {be} yellow and dry, and no rain {have} fallen for weeks>.",
        "<implied:summer=It {be} still bright at ten o'clock, and nobody {want} to go to bed>.",
        "<implied:summer=Everybody's nose {be} red from the sun>, and {Fs} nose {be} the reddest.",
    ),
    "autumn": (
        "<implied:autumn=Brown leaves {blow+} about everywhere, and the geese {be+} flying south>.",
        "<implied:autumn=There {be} a smell of smoke and apples, and the swallows {be+} gone>.",
        "<implied:autumn=Every morning the fog {stay} a little longer, and the last pears {fall+} "
        "from the trees>.",
        "<implied:autumn=The days {grow+} shorter, and {F} {take} the winter coats out again>.",
        "<implied:autumn=The spiders {hang+} their webs in every window>, and {F} {let} them.",
    ),
}

MOOD = {
    "cheerful": (
        "<mood:cheerful={H} {whistle1} from the moment {he1} {open1} {his1} eyes>.",
        "<mood:cheerful=Everybody {laugh} a great deal that day, mostly about nothing>.",
        "<mood:cheerful={H} {feel1} so happy that {he1} could have hugged a lamp post>.",
        "<mood:cheerful={F} {wear} {his2} best (hat|scarf) and {greet} every stranger like a cousin>.",
        "<mood:cheerful={H} {skip1} along (on one leg|backwards), just for the fun of it>.",
    ),
    "gloomy": (
        "<mood:gloomy={H} had hardly said a word for days>, and {F} {do} not ask why.",
        "<mood:gloomy={Hs} heart {be} heavy, and even the bread {taste} of dust>.",
        "<mood:gloomy=Everything {look} grey and sad, and {F} {sigh} all day long>.",
        "<mood:gloomy={H} {hang1} {his1} head and {kick1} at the (stones|leaves) on the ground>.",
        "<mood:gloomy=Nobody {laugh}. {F} only {stare} at the wall and {stir} a cup that {be} long empty>.",
    ),
    "anxious": (
        "<mood:anxious={H} had slept badly and {jump1} at every noise>.",
        "<mood:anxious=Something {be} about to go wrong; {H} {feel1} it in {his1} (stomach|bones)>.",
        "<mood:anxious={F} {bite} {his2} nails and {look} over {his2} shoulder again and again>.",
        "<mood:anxious={Hs} hands {tremble+}, and {he1} {put1} them into {his1} pockets to hide it>.",
        "<mood:anxious={F} {count} the doors, the windows and the minutes, and {whisper} to {self2}>.",
    ),
    "calm": (
        "<mood:calm=It {be} a slow and peaceful day, and nobody {raise} a voice>.",
        "<mood:calm={H} {breathe1} slowly and {think1} of nothing at all>.",
        "<mood:calm=The hours {go+} by as softly as cats>.",
        "<mood:calm={F} {hum} an old tune, and there {be} plenty of time for everything>.",
        "<mood:calm=Nobody {be} in a hurry, not even the clock, which {be} ten minutes late>.",
    ),
}

# What is said; in a gloomy or anxious story the speaker means the opposite.
_REMARKS = (
    "What a lovely day",
    "Everything is going so well",
    "How lucky we are",
    "This is going to be a wonderful (day|week)",
    "I have never felt better",
)
_FINE = (
    "The sun {come} out from behind a cloud",
    "Somebody {begin} to sing",
    "There {be} fresh cake, still warm",
    "A letter {come} from a dear old friend",
    "All the pain in {Fs} (knee|shoulder) {be} gone",
)
_FOUL = (
    "Rain {begin} to drip through the roof",
    "A shoe {lose} its heel",
    "Somebody {drop} the whole basket",
    "The post {bring} a bill, and then another bill",
    "A sharp pain {shoot} through {Fs} (knee|shoulder)",
)


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
    "<leaving={H} {pack1} {i1} and {i2}, {take1} a last look at the {P}> and {start1} for the {Q}.",
    '"<sf=<question=Are you really going to the {Q}?>>" {F} {ask}. {H} {nod1}, and <leaving=soon '
    "the "
    "{P} {be} out of sight>.",
    "{F} {come} along to the corner, and {then} <leaving={H} {lose1} sight of the {P}>. The {Q} "
    "{be} far "
    "away.",
)
RETURN = (
    "<return=When {H} {come1} back to the {P}>, {F} {be} still there.",
    "<return=The {P} {look} smaller when {H} {see1} it again>, and {F} {be} sitting there with {i1}.",
    "<return=At last {H} {reach1} the {P}, where it had all begun>.",
    "<return={H} {be1} glad to see the {P} again>, and {F} {be} glad to see {Ho}.",
    "It {be} late when <return={H} {come1} home to the {P}>. {F} had kept some soup warm.",
)
MEET = (
    'On the way {H} {meet1} {O}, the {role}. "<so=<advice=Take your time,>>" {O} {say}.',
    '{O}, the {role}, {look} up. "<so=<advice=If you are ever in doubt, count to ten,>>" {O} {say}.',
    "{O}, the {role}, {have} some advice for {Ho}: <advice=first look, then touch>.",
    '"<so=<advice=Never trust a day that begins too well,>>" {say} {O}, the {role}, {atQ}.',
    '{atQ} {H} {ask1} {O}, the {role}, what to do. "<so=<advice=As little as you can, and that '
    'properly,>>" {he3} {say}.',
)
