"""How a story ends, for each outcome; the turn of luck comes just before a bittersweet end."""

# A good trait, but something is lost; a bad trait, but somebody forgives.
TURN = {
    "good": (
        "<price=But {n2} {be} lost for ever, and nothing {can} bring it back>.",
        "<price=Still, it {cost} {Ho} {n1}, and {he1} {miss1} it for a long time>.",
        "<price=Only {n3} had been left behind, and {H} {feel1} sorry for it>.",
        "<price=But {H} {have1} to give up {n1} in return, and that {be} not easy>.",
    ),
    "bad": (
        '"<sf=<forgiveness=It does not matter. I am not angry with you,>>" {F} {say}.',
        "<apology={H} {say1} that {he1} {be1} sorry>, and <forgiveness={F} {put} an arm around "
        "{Ho} "
        "and {let} it be>.",
        '"<sh=<apology=It was my fault,>>" {H} {say1}. "<sf=<forgiveness=It was, and it is '
        'forgotten,>>" {F} {answer}.',
        "<apology={H} {bring1} {F} {i3} and {beg1} for another chance>, and <forgiveness={F} "
        "{nod} and "
        "{open} the door wide>.",
    ),
}

END = {
    "happy": (
        '"<sf=<thanks=Thank you. I will not forget it,>>" {F} {say}. <ending:happy={They} {sit+} '
        "{atP} until the stars {come+} out, and nobody {want} to go home>.",
        "<ending:happy=That night {they} {eat+} and {laugh+} together, and {H} {fall1} asleep with a smile>.",
        "<ending:happy={F} {hug} {Ho} so hard that {he1} {cannot} breathe, and both of {them} {laugh+}>.",
        '"<so=<thanks=Well done,>>" {O} {say}, and {O} {be} not a person who {say} it often. '
        "<ending:happy={H} {dance1} all the way home>.",
        "<ending:happy=From that day on there {be} always a chair for {Ho} {atP}>.",
        "<ending:happy={They} {celebrate+} {atP} with <list={i1}, {i2} and the best soup of the year>>.",
        '"<sf=<thanks=What would I do without you?>>" {F} {ask}. <ending:happy={H} {blush1} and '
        "{be1} "
        "as happy as a king>.",
        "<ending:happy={O} {tell} everybody about it, and people {smile+} at {Ho} in the street>.",
    ),
    "sad": (
        "<ending:sad={F} {say} nothing at all, and that {be} worse than shouting>.",
        "<ending:sad={They} {walk+} home without a word, and {H} {cry1} when {he1} {be1} alone>.",
        "<ending:sad=After that {F} never {ask} {Ho} for anything again>.",
        '"<sf=<irony=Wonderful,>>" {F} {say}, and {shut} the door. <ending:sad={H} {stand1} '
        "outside "
        "for a long time>.",
        "<ending:sad={H} {lie1} awake that night and {wish1} that the day would begin again>.",
        '"<sf=<irony=That was very clever of you,>>" {F} {say}. <ending:sad={H} {look1} at the '
        "ground "
        "and {have1} no answer>.",
        "<ending:sad=There {be} an empty chair {atP} the next day, and it {be} {Hs} chair>.",
        "<ending:sad={O} only {shake} {his3} head, and nobody {come} to comfort {Ho}>.",
    ),
    "bittersweet": (
        "<ending:bittersweet=It {be} not the end that {H} had hoped for, but {he1} {can} live with it>.",
        "<ending:bittersweet={H} {do1} not know whether to laugh or to cry, so {he1} {do1} a "
        "little of "
        "both>.",
        "<ending:bittersweet={F} {smile} with wet eyes, and {H} {hold1} {his2} hand for a while>.",
        '<ending:bittersweet="<so=Half a loaf is better than none,>" {O} {say}, and perhaps that {be} true>.',
        "<ending:bittersweet=Some days one {win}, some days one {lose}, and this day {be} half and half>.",
        "<ending:bittersweet={They} {sit+} {atP} for a long time, a little sad and a little glad>.",
    ),
}

# The last sentence of some stories: what was told at the beginning comes back.
CODA = (
    "<memory=Even now, when anybody says the word {trait}, {F} thinks of that {season} {atP}>.",
    "<memory=There is still {i1} {atP} that reminds {F} of it all>.",
    "<memory=Years later {F} still tells people about it, and every time the story is a little longer>.",
    "<memory=Whenever it is {season} again, {F} thinks of {i1} and laughs quietly>.",
    "<memory=Ask {F} about the {P} today, and you will hear the whole story from the beginning>.",
)
