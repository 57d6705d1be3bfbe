"""The six plots: the order of their steps, and the sentences of every step.

A step names a pool of sentences. `{worth}` in its name becomes good or bad (the hero's trait decides),
`{lie}` becomes lie or truth, the other fields are variables of the story. `holder` says who has the
central thing from this step on (hero, friend, other or nobody), `lost` whether it is missing.
"""

from typing import NamedTuple


class Step(NamedTuple):
    """One sentence (or small group of sentences) of a plot."""

    pool: str
    holder: str = ""
    """Who holds the thing from here on; empty: no change."""
    lost: bool | None = None
    """Whether the thing is lost from here on; None: no change."""


def _steps(text: str) -> tuple[Step, ...]:
    """Read "pool pool@holder pool!lost pool!found" into steps."""
    steps = []
    for word in text.split():
        name, _, lost = word.partition("!")
        pool, _, holder = name.partition("@")
        steps.append(Step(pool, holder, {"": None, "lost": True, "found": False}[lost]))
    return tuple(steps)


# For every plot the steps after the opening and before the turn of luck, for good and for bad traits.
PLOTS = {
    "loan": {
        "good": _steps(
            "loan/want@friend loan/lend@hero loan/promise leave meet scene trouble decide/{trait} "
            "loan/saved return loan/kept@friend"
        ),
        "bad": _steps(
            "loan/want@friend loan/lend@hero loan/promise leave meet scene trouble decide/{trait} "
            "loan/ruined@nobody!lost return loan/broken"
        ),
    },
    "lost": {
        "good": _steps(
            "lost/have@hero talk lost/gone@nobody!lost lost/search lost/deny-{lie} lost/help "
            "decide/{trait} lost/found-{lie}@hero!found"
        ),
        "bad": _steps(
            "lost/have@hero talk lost/gone@nobody!lost lost/search lost/deny-{lie} lost/help "
            "decide/{trait} lost/never-{lie}"
        ),
    },
    "errand": {
        "good": _steps(
            "errand/ask@hero errand/warn leave errand/heeded scene trouble decide/{trait} "
            "errand/delivered@nobody return"
        ),
        "bad": _steps(
            "errand/ask@hero errand/warn leave errand/ignored scene trouble decide/{trait} "
            "errand/failed@nobody return"
        ),
    },
    "contest": {
        "good": _steps(
            "contest/wish contest/boast contest/practice talk trouble decide/{trait} contest/won"
        ),
        "bad": _steps(
            "contest/wish contest/boast contest/practice talk trouble decide/{trait} contest/beaten"
        ),
    },
    "favour": {
        "good": _steps(
            "leave scene favour/need favour/help trouble decide/{trait} favour/repaid return"
        ),
        "bad": _steps(
            "leave scene favour/need favour/refuse trouble decide/{trait} favour/unpaid return"
        ),
    },
    "secret": {
        "good": _steps(
            "secret/told@friend secret/promise talk secret/asked decide/{trait} secret/kept "
            "secret/gift@other"
        ),
        "bad": _steps(
            "secret/told@friend secret/promise talk secret/asked decide/{trait} secret/spilt "
            "secret/spoilt"
        ),
    },
}

LOAN = {
    "loan/want": (
        "The work {atQ} {can} not begin without {a T}, and {H} {have1} none of {his1} own.",
        '"<sh=I need {a T} for tomorrow,>" {H} {say1}, "<sh=and I have none.>"',
        "There {be} work to do {atQ}: <wish={H} {want1} to {task}>. But <wish={he1} first {need1} {a T}>.",
        "<wish={H} {want1} to {goal}>, and for that somebody {have} to lend {Ho} {a T}.",
    ),
    "loan/lend": (
        "{F} {own} {a T} that once {belong} to {his2} (grandfather|teacher|oldest friend). "
        "<giver={F}> {hand} it to <receiver={Ho}> (without a word|with both hands).",
        '"<sf=Take my {T},>" {F} {say}, "<sf=but be careful with it. It is the only one I have.>" '
        "So <giver={F}> {lend} it to <receiver={Ho}>.",
        "<giver={F}> {have} {a T}, old but good, and {give} it to <receiver={Ho}> for the day.",
        '"<sh=<question=Would you lend me your {T}?>>" {H} {ask1}. <giver={F}> {think} about it and '
        "{put} it into <receiver={Hs}> hands.",
    ),
    "loan/promise": (
        "<promise={H} {promise1} to bring it back {due}>.",
        '"<sh=<promise=You will have it back {due}. I give you my word,>>" {H} {say1}.',
        "<promise={H} {swear1} that the {T} {will} be home again {due}>, and they {shake+} hands.",
    ),
    "loan/saved": (
        "So the {T} {come} to no harm, and nor {do} {H}.",
        "When it {be} over, {H} {be1} tired and dirty, but {he1} {hold1} the {T} safe in {his1} hands.",
        "Not a scratch {be} to be seen on the {T}.",
    ),
    "loan/ruined": (
        "When it {be} over, <loss=the {T} {be} gone>, and no searching {can} bring it back.",
        "<loss=The {T} {break} in two>, and {H} {stare1} at the pieces.",
        "{H} {come1} out of it well enough, but <loss=the {T} {be} lost>.",
    ),
    "loan/kept": (
        "<promise:kept={due} the {T} {be} back with {F}, just as {H} had said>.",
        '"<sh=<promise:kept=Here is your {T}, {due}, as I told you,>>" {H} {say1}, and <giver={H}> '
        "{put1} it into <receiver={Fs}> hands.",
        "<giver={H}> {give1} the {T} back to <receiver={F}>. <promise:kept={He1} had said {due}, and "
        "{due} it {be}>.",
    ),
    "loan/broken": (
        "<promise:broken={H} had said {due}, but nobody {bring} the {T} back, not then and not later>.",
        '"<sf=<question=Where is my {T}?>>" {F} {ask}. "<sf=<promise:broken=You said {due}.>>" {H} '
        "{look1} at {his1} shoes.",
        "<promise:broken={F} {wait} for the {T}, {due} and long after, but {H} {come1} with empty "
        "hands>.",
    ),
}

_ASK = (
    '"<sh=<question=Have you seen my {T}?>>" {H} {ask1} {O}, the {role}. "<so=<DENIAL=No, I have not '
    'seen it,>>" {O} {say} quickly.',
    "{H} {ask1} {O}, the {role}. \"<so=<DENIAL=I know nothing about it. I was at home all day,>>\" "
    "{O} {say}.",
    "{O}, the {role}, {be} sweeping the floor. \"<so=<question=<DENIAL=Your {T}? I never touched "
    'it,>>>" {O} {say}.',
)

LOST = {
    "lost/have": (
        "{H} {own1} {a T}, a present from {his1} (mother|father), and {take1} it everywhere.",
        "<giver={F}> had once given {a T} to <receiver={Ho}>, and it {be} the best thing that {he1} "
        "{have1}.",
        "On {his1} birthday {H} {have1} been given {a T}, and {he1} {keep1} it under {his1} pillow.",
    ),
    "lost/gone": (
        "But {then} <loss=the {T} {be} gone>.",
        "Then {H} {put1} a hand into {his1} bag, and <loss=there {be} no {T} in it>.",
        "The next day {H} {look1} for it, but <loss=the place where it had been {be} empty>.",
    ),
    "lost/search": (
        "<search={H} {look1} behind {n1} and under {n2}, and found nothing but dust>.",
        "<search={H} {turn1} out every pocket and {empty1} every drawer>, but the {T} {be} not there.",
        "<search={H} {crawl1} over the floor on hands and knees>, and even {lift1} {n3}.",
    ),
    "lost/deny-lie": tuple(frame.replace("DENIAL", "lie") for frame in _ASK),
    "lost/deny-truth": tuple(frame.replace("DENIAL", "denial:true") for frame in _ASK),
    "lost/help": (
        "<help={F} {put} everything aside and {help} to look>.",
        '"<sf=<help=Two pairs of eyes see more than one,>>" {F} {say}, and {start} at the other end.',
        "<help={F} {fetch} a lantern and {search} with {Ho}>.",
    ),
    "lost/found-lie": (
        '{O} {turn} red. "<so=<confession=I took it. I only wanted to look at it,>>" {O} {say}, and '
        "<giver={O}> {give} the {T} back to <receiver={Ho}>.",
        "{O} {look} at the ground and <confession={pull} the {T} out of a pocket>. "
        '"<so=<apology=I am sorry,>>" {O} {say}.',
    ),
    "lost/found-truth": (
        "And there, behind {n3}, {be} the {T}, quite unharmed. So {O} had told the truth.",
        "{H} {open1} {his1} own coat, and the {T} {fall} out of the lining. <apology={He1} {ask1} {O} "
        "to forgive {Ho}>.",
    ),
    "lost/never-lie": (
        "So {H} never {find1} out that <confession=the {T} {lie} in {Os} cupboard all the time>.",
        "{O} {go} home that night <confession=with the {T} under a coat>, and nobody {see} it.",
    ),
    "lost/never-truth": (
        "The {T} never {come} back. A magpie {have} carried it away, and magpies do not talk.",
        "{H} still {blame1} {O}, but the {T} {have} only fallen through a hole in the floor.",
    ),
}

ERRAND = {
    "errand/ask": (
        "<giver={O}>, the {role}, {give} <receiver={Ho}> {a T} and {ask} {Ho} to take it to the {Q}.",
        '"<so=<question=Can you take this {T} to the {Q} for me?>>" {ask} {O}, the {role}. {H} '
        "{say1} yes.",
        "{O}, the {role}, {have} a bad leg, and the {T} {have} to be {atQ} {due}. So {H} {take1} it.",
    ),
    "errand/warn": (
        '"<so=<warning=Whatever you do, do not {warning},>>" {O} {say}.',
        "<warning=There {be} one thing that {H} must not do, {O} {say}: {warning}>.",
        '{O} {hold} up a finger. "<so=<warning=Do not {warning}. Remember that!>>"',
    ),
    "errand/heeded": (
        "<warning:heeded={H} {remember1} the warning and {do1} not {warning}>.",
        "<warning:heeded={H} {will} have liked to {warning}, but {he1} {do1} as {O} had said>.",
    ),
    "errand/ignored": (
        "<warning:ignored={H} {laugh1} at the warning, and of course {he1} {do1} {warning}>.",
        "<warning:ignored={He1} {hold1} out for an hour. Then {H} {do1} {warning} after all>.",
    ),
    "errand/delivered": (
        "<giver={H}> {hand1} over the {T} {atQ} {due}, and {get1} {i3} for {his1} trouble.",
        "{due} the {T} {be} where it should be, and the people {atQ} {clap+} their hands.",
    ),
    "errand/failed": (
        "{H} {reach1} the {Q} much too late, and <loss=the {T} {be} in pieces>.",
        "<loss=The {T} never {arrive}>. The people {atQ} {wait+} for it in vain.",
    ),
}

CONTEST = {
    "contest/wish": (
        "<wish=More than anything, {H} {want1} to {goal}>.",
        '"<sh=<wish=One day I am going to {goal},>>" {H} {say1}.',
        "<wish=All year {H} had dreamed of one thing, to {goal}>.",
    ),
    "contest/boast": (
        '"<so=<boast=You will never manage it. I am the best here,>>" {say} {O}, the {role}.',
        '{O}, the {role}, {laugh}. "<so=<boast=I could do it with my eyes shut,>>" {O} {say}.',
        "<boast={O}, the {role}, {tell} everybody that {he3} {be} the better of the two>.",
    ),
    "contest/practice": (
        "<practice=Every evening {H} {practise1} until {his1} arms {ache+}>, and {F} {hold} the lamp.",
        "<practice={H} {get1} up at five each day to practise>, with {i2} for company.",
        '"<sf=<advice=Slowly. First learn to {task},>>" {F} {say}, so <practice=that {be} what {H} '
        "{do1}>.",
    ),
    "contest/won": (
        "<wish:granted=And so {H} {manage1} to {goal}>, while {O} {stand} there with open mouth.",
        "<wish:granted=In the end {H} really {do1} {goal}>. {O} {be} the first to shake {his1} hand.",
    ),
    "contest/beaten": (
        "<wish:denied=It {be} {O} who {get} to {goal}, and {H} {have1} to watch>.",
        "<wish:denied={H} never {do1} {goal}>, and {O} {do} not let {Ho} forget it.",
    ),
}

FAVOUR = {
    "favour/need": (
        "{atQ} an old {role} named {O} {sit} on the ground, hungry and tired.",
        'On the way {H} {meet1} {O}, the {role}. "<so=<question=Could you spare me {i2}?>>" {O} {ask}.',
        "{O}, the {role}, {have} hurt {his3} foot and {can} not get up.",
    ),
    "favour/help": (
        "<help={H} {share1} {his1} bread with {O} and {give1} {him3} {i2} as well>.",
        "<help={H} {stop1}, although it {be} late, and {stay1} until {O} {be} well again>.",
    ),
    "favour/refuse": (
        "<refusal={H} {look1} the other way and {walk1} past {O}>.",
        '"<sh=<refusal=I have no time for you,>>" {H} {say1}, and {O} {nod} sadly.',
    ),
    "favour/repaid": (
        "Then <payback={O} {come} running and {pull} {Ho} out of it>. "
        '"<so=<payback=You helped me once,>>" {he3} {say}.',
        "And who {be} standing there? <payback={O} {have} not forgotten {Ho}, and {bring} {i3} just in "
        "time>.",
    ),
    "favour/unpaid": (
        "{O} {come} by just then. <payback:refused={He3} {look} at {Ho} for a moment and {walk} on>.",
        '"<so=<payback:refused=I have no time for you either,>>" {O} {say}, and {be} gone.',
    ),
}

SECRET = {
    "secret/told": (
        '"<sf=<secret=I have a secret. I am going to give {O} {a T},>>" {F} {whisper}.',
        "<secret={F} {show} {Ho} {a T} wrapped in paper. It {be} a surprise for {O}, the {role}>.",
    ),
    "secret/promise": (
        '"<sf=<question=You will not tell, will you?>>" {F} {ask}. "<sh=<promise=I promise,>>" {H} '
        "{say1}.",
        "<promise={H} {promise1} not to say a word to anybody>.",
    ),
    "secret/asked": (
        '"<so=<question=What are you two hiding?>>" {O} {ask}, and {look} {Ho} in the eye.',
        "{O} {have} noticed something. \"<so=<question=What is going on here?>>\" {he3} {ask}.",
    ),
    "secret/kept": (
        "<promise:kept={H} {do1} not give the secret away>. {He1} {talk1} about the weather instead.",
        "{O} {ask} once more, but <promise:kept={H} {keep1} {his1} mouth shut>.",
    ),
    "secret/spilt": (
        '"<sh=<promise:broken=It is {a T}, and it is for you!>>" {H} {cry1}, before {he1} {can} stop.',
        "<promise:broken=And so {H} {tell1} {O} everything, the {T} and the paper and all>.",
    ),
    "secret/gift": (
        "The next day <giver={F}> {give} the {T} to <receiver={O}>, who {be} too surprised to speak.",
        'When <receiver={O}> {open} the parcel, {he3} {drop} {his3} hat. "<so=<question=<thanks=A '
        '{T}, for me?>>>" {he3} {ask}.',
    ),
    "secret/spoilt": (
        "When {F} {bring} the {T} the next day, {O} {have} to pretend to be surprised.",
        "{F} {hear} of it and {put} the {T} away in a drawer, with the paper still on it.",
    ),
}

POOLS = LOAN | LOST | ERRAND | CONTEST | FAVOUR | SECRET
