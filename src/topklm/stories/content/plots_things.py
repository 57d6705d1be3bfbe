"""Sentences of the plots about a thing: it is lent, it is lost, it is to be carried somewhere."""

_LOAN = {
    "loan/want": (
        "The work {atQ} {cannot} begin without {a T}, and {H} {have1} none of {his1} own.",
        '"<sh=I need {a T} for tomorrow,>" {H} {say1}, "<sh=and I have none.>"',
        "There {be} work to do {atQ}: <wish={H} {want1} to {task}>. For that {he1} {need1} {a T}.",
        "<wish={H} {want1} to {goal}>, and for that somebody {have} to lend {Ho} {a T}.",
        '"<sh=<wish=I want to {goal},>>" {H} {say1}, "<sh=but not without {a T}.>"',
    ),
    "loan/lend": (
        "{F} {own} {a T} that once belonged to {his2} (grandfather|teacher|oldest friend). "
        "<giver={F}> {pass} it to <receiver={Ho}> (without a word|with both hands).",
        '"<sf=Take my {T},>" {F} {say}, "<sf=but be careful with it. It is the only one I have.>" '
        "So <giver={F}> {lend} it to <receiver={Ho}>.",
        "<giver={F}> {have} {a T}, old but good, and {give} it to <receiver={Ho}> for the day.",
        '"<sh=<question=Would you lend me your {T}?>>" {H} {ask1}. <giver={F}> {think} about it '
        "and "
        "{put} it into <receiver={Hs}> hands.",
        "The {T} on {Fs} shelf {be} (older|heavier) than it {look}. <giver={F}> {take} it down and "
        "{lend} it to <receiver={Ho}>.",
    ),
    "loan/promise": (
        "<promise={H} {promise1} to bring it back {due}>.",
        '"<sh=<promise=You will have it back {due}. I give you my word,>>" {H} {say1}.',
        "<promise={H} {swear1} that the {T} {will} be home again {due}>, and {they} {shake+} hands.",
        '"<sf=<question=And when do I get it back?>>" {F} {ask}. "<sh=<promise={due}, on my '
        'honour,>>" '
        "{H} {say1}.",
        "<promise={due} the {T} {will} be back on its shelf: {H} {promise1} it twice>.",
    ),
    "loan/saved": (
        "So the {T} {be} not lost, and {H} {breathe1} again.",
        "When it {be} over, {H} {be1} tired and wet, but {he1} {hold1} the {T} in {his1} hands.",
        "Not a scratch {be} to be seen on the {T}.",
        "{H} {look1} at the {T} from all sides, and it {be} as good as before.",
    ),
    "loan/ruined": (
        "When it {be} over, <loss=the {T} {be} gone>, and nothing {can} bring it back.",
        "<loss=The {T} {be} ruined>, and {H} {look1} at what {be} left of it.",
        "{H} {come1} out of it well enough, but <loss=the {T} {be} lost>.",
        "{H} {reach1} for the {T}, and <loss={his1} hand {find} nothing but air>.",
    ),
    "loan/kept": (
        "<promise:kept={due} the {T} {be} back with {F}, just as {H} had said>.",
        '"<sh=<promise:kept=Here is your {T}, {due}, as I told you,>>" {H} {say1}, and '
        "<giver={he1}> "
        "{put1} it into <receiver={Fs}> hands.",
        "<giver={H}> {give1} the {T} back to <receiver={F}>. <promise:kept={He1} had said {due}, "
        "and "
        "{due} it {be}>.",
        "{F} {look} at the clock. <promise:kept={H} {have1} kept {his1} word: {due} the {T} "
        "{stand} "
        "on its "
        "shelf again>.",
    ),
    "loan/broken": (
        "<promise:broken={H} had said {due}, but nobody {bring} the {T} back, not then and not later>.",
        '"<sf=<question=Where is my {T}?>>" {F} {ask}. "<sf=<promise:broken=You said {due}.>>" {H} '
        "{look1} at {his1} shoes.",
        "<promise:broken={F} {wait} for the {T}, {due} and after, but {H} {come1} with empty hands>.",
        "{due}, {F} {look} for the {T} on its shelf. <promise:broken={Hs} word {be} worth no more "
        "than the "
        "dust there>.",
    ),
}

_DENIALS = (
    "No, I have not seen it,",
    "I know nothing about it. I was at home all day,",
    "I never touched it,",
    "You must have left it somewhere else,",
)
_ASKED = (
    '"<sh=<question=Have you seen my {T}?>>" {H} {ask1} {O}, the {role}.',
    "{H} {go1} to {O}, the {role}, and {ask1} about the {T}.",
    "{O}, the {role}, {be} sweeping the floor, and {H} {ask1} {him3} about the {T}.",
    '"<sh=<question=Did you take my {T}?>>" {H} {ask1} {O}, the {role}, straight out.',
)


def _denials(concept: str) -> tuple[str, ...]:
    """The same words in both cases: only what comes out later tells a lie from the truth."""
    answers = "|".join(_DENIALS)
    return tuple(f'{asked} "<so=<{concept}=({answers})>>" {{O}} ({{say}}|{{answer}}).' for asked in _ASKED)


_LOST = {
    "lost/have": (
        "{H} {have1} {a T}, a present from {his1} (mother|father), and {take1} it everywhere.",
        "<giver={F}> had once given {a T} to <receiver={Ho}>, and {he1} {love1} it more than anything.",
        "On {his1} birthday {H} had been given {a T}, and {he1} {keep1} it beside {his1} bed.",
        "Of all {his1} things {H} {like1} the {T} best. It {be} a present from <giver={F}>.",
    ),
    "lost/gone": (
        "But {then} <loss=the {T} {be} gone>.",
        "Then {H} {put1} a hand into {his1} bag, and <loss=there {be} no {T} in it>.",
        "The next day {H} {look1} for the {T}, but <loss=the place where it had been {be} empty>.",
        '"<sf=<question=Where is your {T}?>>" {F} {ask} the next day. {H} {turn1} round, and '
        "<loss=it "
        "{be} not there any more>.",
    ),
    "lost/search": (
        "<search={H} {look1} behind {n1} and under {n2}, and {find1} nothing but dust>.",
        "<search={H} {turn1} out every pocket and {empty1} every drawer>, but the {T} {be} not there.",
        "<search={H} {crawl1} over the floor on hands and knees, and even {lift1} {n3}>.",
        "<search={H} {ask1} everybody and {look1} everywhere, high and low>, but nobody had seen the {T}.",
    ),
    "lost/deny-lie": _denials("lie"),
    "lost/deny-truth": _denials("denial:true"),
    "lost/help": (
        "<help={F} {put} everything aside and {help} to look>.",
        '"<sf=<help=Two pairs of eyes see more than one,>>" {F} {say}, and {start} at the other end.',
        "<help={F} {fetch} a lamp and {search} with {Ho}>.",
        '"<sf=<help=I will help you. We begin up here and end down there,>>" {F} {say}.',
    ),
    "lost/found-lie": (
        '{O} {turn} red. "<so=<confession=I took it. I only wanted to look at it,>>" {O} {say}, '
        "and "
        "<giver={he3}> {give} the {T} back to <receiver={Ho}>.",
        "{O} {look} at the ground and <confession={pull} the {T} out of a pocket>. "
        '"<so=<apology=I am sorry,>>" {he3} {say}.',
        '"<so=<confession=I have it. I was going to bring it back,>>" {O} {whisper} at last, and '
        "<giver={he3}> {put} the {T} on the table.",
    ),
    "lost/found-truth": (
        "And there, behind {n3}, {be} the {T}, quite unharmed. So {O} had told the truth.",
        "{H} {open1} {his1} own coat, and the {T} {fall} out of the lining. <apology={H} {ask1} "
        "{O} "
        "to forgive {him1}>.",
        "The {T} {be} {atP}, under {n1}, where {H} {have1} put it {self1}. {O} {know} nothing of it.",
    ),
    "lost/never-lie": (
        "So {H} never {find1} out that <confession=the {T} {lie} in {Os} cupboard all the time>.",
        "{O} {go} home that night <confession=with the {T} under {his3} coat>, and nobody {see} it.",
        "Only {O} {know} where the {T} {be}, and <confession={he3} {sell} it in another town>.",
    ),
    "lost/never-truth": (
        "The {T} never {come} back. A magpie had carried it away, and magpies do not talk.",
        "{H} still {blame1} {O}, but the {T} had only fallen through a hole in the floor.",
        "The {T} {stay} where it {be}, in a crack behind the wall, and {O} {be} blamed for nothing.",
    ),
}

_ERRAND = {
    "errand/ask": (
        "<giver={O}>, the {role}, {give} <receiver={Ho}> {a T} and {ask} {him1} to take it to the {Q} {due}.",
        '"<so=<question=Can you take this {T} to the {Q} for me, {due}?>>" {ask} {O}, the {role}. '
        "{H} "
        "{say1} yes.",
        "{O}, the {role}, {have} a bad leg, and the {T} {have} to be {atQ} {due}. So {H} {take1} it.",
        "The people {atQ} {wait+} for {a T}. <giver={O}>, the {role}, {pass} it to <receiver={Ho}> to "
        "bring there {due}.",
    ),
    "errand/warn": (
        '"<so=<warning=Whatever you do, do not {warning},>>" {O} {say}.',
        "<warning={H} must not do one thing, {O} {say}: {warning}>.",
        '{O} {hold} up a finger. "<so=<warning=Do not {warning}. Remember that!>>"',
        '"<so=<warning=Those who {warning} never arrive,>>" {O} {say}, and {be} quite serious.',
    ),
    "errand/heeded": (
        "<warning:heeded={H} {remember1} what {O} had said, and {do1} not {warning}>.",
        "<warning:heeded={H} would have liked to {warning}, but {he1} {do1} as {O} had said>.",
        "There {be+} many reasons to {warning}, but <warning:heeded={H} {keep1} {Os} words in mind>.",
    ),
    "errand/ignored": (
        "<warning:ignored={H} {laugh1} at {Os} words, and of course {he1} {do1} {warning}>.",
        "<warning:ignored={H} {hold1} out for an hour. Then {he1} {do1} {warning} after all>.",
        "It {be} hard not to {warning}. <warning:ignored={H} {say1} that once {do} not count>.",
    ),
    "errand/delivered": (
        "<giver={H}> {leave1} the {T} {atQ} {due}, and {get1} {i3} for {his1} trouble.",
        "{due} the {T} {be} where it should be, and the people {atQ} {clap+} their hands.",
        "The {T} {arrive} {due}, just as {O} had wished. {atQ} everybody {want} to shake {Hs} hand.",
    ),
    "errand/failed": (
        "{H} {reach1} the {Q} much too late, and <loss=the {T} {be} in pieces>.",
        "<loss=The {T} never {arrive}>. The people {atQ} {wait+} for it in vain.",
        "It should have been there {due}, but <loss=the {T} {lie} somewhere by the road>, and {H} "
        "{come1} "
        "to the {Q} without it.",
    ),
}

POOLS = _LOAN | _LOST | _ERRAND
