"""How a story ends, for each outcome; the turn of luck comes just before a bittersweet end."""

# A good trait, but something is lost; a bad trait, but somebody forgives.
TURN = {
    "good": (
        "<price=But {n2} {be} lost for ever, and nothing {can} bring it back>.",
        "<price=Still, it {cost} {Ho} {n1}, and {he1} {miss1} it for a long time>.",
        "<price=Only {n3} {have} been left behind, and {H} {feel1} sorry for it>.",
    ),
    "bad": (
        '"<sf=<forgiveness=It does not matter. I am not angry with you,>>" {F} {say}.',
        "<apology={H} {say1} that {he1} {be1} sorry>, and <forgiveness={F} {put} an arm around {Ho} "
        "and {let} it be>.",
        '"<sh=<apology=It was my fault,>>" {H} {say1}. "<sf=<forgiveness=It was, and it is '
        'forgotten,>>" {F} {answer}.',
    ),
}

END = {
    "happy": (
        '"<sf=<thanks=Thank you. I will not forget it,>>" {F} {say}. <ending:happy=They {sit+} '
        "{atP} until the stars {come+} out, and nobody {want} to go home>.",
        "<ending:happy=That night they {eat+} and {laugh+} together, and {H} {fall1} asleep with a "
        "smile>.",
        "<ending:happy={F} {hug} {Ho} so hard that {he1} {can} not breathe, and both of them "
        "{laugh+}>.",
        '"<so=<thanks=Well done,>>" {O} {say}, and {O} {be} not a person who {say} it often. '
        "<ending:happy={H} {dance1} all the way home>.",
        "<ending:happy=From that day on there {be} always a chair for {Ho} {atP}>.",
    ),
    "sad": (
        "<ending:sad={F} {say} nothing at all, and that {be} worse than shouting>.",
        "<ending:sad=They {walk+} home without a word, and {H} {cry1} when {he1} {be1} alone>.",
        "<ending:sad=Since then {F} {have} never asked {Ho} for anything again>.",
        '"<sf=<irony=Wonderful,>>" {F} {say}, and {shut} the door. <ending:sad={H} {stand1} outside '
        "for a long time>.",
        "<ending:sad={H} {lie1} awake that night and {wish1} that the day would begin again>.",
    ),
    "bittersweet": (
        "<ending:bittersweet=It {be} not the end that {H} had hoped for, but {he1} {can} live with "
        "it>.",
        "<ending:bittersweet={H} {do1} not know whether to laugh or to cry, so {he1} {do1} a little of "
        "both>.",
        "<ending:bittersweet={F} {smile} with wet eyes, and {H} {hold1} {his2} hand for a while>.",
        "<ending:bittersweet=Half a loaf {be} better than none, as {O} always {say}>.",
    ),
}

# The last sentence of some stories: what was told at the beginning comes back.
CODA = (
    "<memory=Even now, when anybody says the word {trait}, {F} thinks of that {season} {atP}>.",
    "<memory=There is still {i1} {atP} that reminds {F} of it all>.",
    "<memory=Years later {F} still tells people about it, and every time the story is a little longer>.",
)
