"""Sentences of the plots about deeds: a contest, a favour and its return, a secret."""

_CONTEST = {
    "contest/wish": (
        "<wish=More than anything, {H} {want1} to {goal}>.",
        '"<sh=<wish=One day I am going to {goal},>>" {H} {say1}.',
        "<wish=All year {H} had dreamed of one thing: to {goal}>.",
        '"<sf=<question=If you had one wish, what would it be?>>" {F} {ask}. "<sh=<wish=To '
        '{goal},>>" '
        "{H} {say1} at once.",
    ),
    "contest/boast": (
        '"<so=<boast=You will never manage it. I am the best here,>>" {say} {O}, the {role}.',
        '{O}, the {role}, {laugh}. "<so=<boast=I could do it with my eyes shut,>>" {O} {say}.',
        "<boast={O}, the {role}, {tell} everybody that {he3} {be} the better of the two>.",
        '"<so=<boast=Do not even try. Nobody has ever beaten me,>>" {say} {O}, the {role}, who '
        "{want} "
        "the same.",
    ),
    "contest/practice": (
        "<practice=Every evening {H} {practise1} until {his1} arms {ache+}>, and {F} {hold} the lamp.",
        "<practice={H} {get1} up at five each day to practise>, with {i2} for company.",
        '"<sf=<advice=Slowly. First learn to {task},>>" {F} {say}, so <practice=that {be} what {H} {do1}>.',
        "<practice=For weeks {H} {do1} nothing else>, and {F} {be} the only one who {be} allowed to watch.",
    ),
    "contest/won": (
        "<wish:granted=And so {H} {manage1} to {goal}>, while {O} {stand} there with open mouth.",
        "<wish:granted=In the end {H} really {do1} {goal}>. {O} {be} the first to shake {his1} hand.",
        "Who would have thought it? <wish:granted=It {be} {H} who {be} able to {goal}>, and not {O}.",
    ),
    "contest/beaten": (
        "<wish:denied=It {be} {O} who {get} to {goal}, and {H} {have1} to watch>.",
        "<wish:denied={H} never {do1} {goal}>, and {O} {do} not let {him1} forget it.",
        "<wish:denied=To {goal} {be} only a dream after all>, and the crowd {carry} {O} home on "
        "its "
        "shoulders.",
    ),
}

_FAVOUR = {
    "favour/need": (
        "{atQ} an old {role} named {O} {sit} on the ground, hungry and tired.",
        'On the way {H} {meet1} {O}, the {role}. "<so=<question=Could you spare me {i2}?>>" {O} {ask}.',
        "{O}, the {role}, had hurt {his3} foot and {cannot} get up.",
        '"<so=<question=Will nobody help me?>>" {cry} {O}, the {role}, who {be} lying on the ground.',
    ),
    "favour/help": (
        "<help={H} {share1} {his1} bread with {O} and {give1} {him3} {i2} as well>.",
        "<help={H} {stop1}, although it {be} late, and {stay1} until {O} {be} well again>.",
        "<help={H} {take1} {Os} arm over {his1} shoulder and {bring1} {him3} to a warm room>.",
    ),
    "favour/refuse": (
        "<refusal={H} {look1} the other way and {walk1} past {O}>.",
        '"<sh=<refusal=I have no time for you,>>" {H} {say1}, and {O} {nod} sadly.',
        "<refusal={H} {pretend1} to be deaf, and {leave1} {O} where {he3} {be}>.",
    ),
    "favour/repaid": (
        "Then <payback={O} {come} running and {pull} {Ho} out of it>. "
        '"<so=<payback=You helped me once,>>" {he3} {say}.',
        "And who {be} standing there? <payback={O} had not forgotten {Ho}, and {bring} {i3} just in time>.",
        '"<so=<payback=Now it is my turn,>>" {say} {O}, and <payback={he3} {carry} {Ho} to safety>.',
    ),
    "favour/unpaid": (
        "{O} {come} by just then. <payback:refused={He3} {look} at {Ho} for a moment and {walk} on>.",
        '"<so=<payback:refused=I have no time for you either,>>" {O} {say}, and {be} gone.',
        "{H} {call1} for help, but <payback:refused={O} {be} the only one near, and {O} {have} a "
        "good "
        "memory>.",
    ),
}

_SECRET = {
    "secret/told": (
        '"<sf=<secret=I have a secret. I am going to give {O} {a T},>>" {F} {whisper}.',
        "<secret={F} {show} {Ho} {a T} wrapped in paper. It {be} a surprise for {O}, the {role}>.",
        '"<sf=<secret={O} must not know yet, but this {T} is for {him3},>>" {F} {say}, and {look} round.',
        "<secret=There {be} {a T} hidden under {Fs} coat, a present for {O}, the {role}>.",
    ),
    "secret/promise": (
        '"<sf=<question=You will not tell, will you?>>" {F} {ask}. "<sh=<promise=I promise,>>" {H} {say1}.',
        "<promise={H} {promise1} not to say a word to anybody>.",
        "<promise={H} {lay1} a hand on {his1} heart and {swear1} to be silent>.",
        '"<sf=<question=Can you keep it to yourself?>>" {F} {ask}. "<sh=<promise=Not even the cat '
        "will "
        'hear of it,>>" {H} {say1}.',
    ),
    "secret/asked": (
        '"<so=<question=What are you two hiding?>>" {O} {ask}, and {look} {Ho} in the eye.',
        '{O} had noticed something. "<so=<question=What is going on here?>>" {he3} {ask}.',
        'But {O} {be} no fool. "<so=<question=You know something, do you not?>>" {he3} {ask}.',
        '"<so=<question=Why does {F} smile like that?>>" {O} {ask} {Ho} the next day.',
    ),
    "secret/kept": (
        "<promise:kept={H} {do1} not give the secret away>. {H} {talk1} about other things.",
        "{O} {ask} once more, but <promise:kept={H} {keep1} {his1} mouth shut>.",
        "<promise:kept=Not a word {come} over {Hs} lips>, and {O} {go} away none the wiser.",
    ),
    "secret/spilt": (
        '"<sh=<promise:broken=It is {a T}, and it is for you!>>" {H} {cry1}, before {he1} {can} stop.',
        "<promise:broken=And so {H} {tell1} {O} everything, the {T} and the paper and all>.",
        '"<sh=<promise:broken=I must not tell you that you will get {a T},>>" {H} {say1}, and '
        "then it "
        "{be} too late.",
    ),
    "secret/gift": (
        "The next day <giver={F}> {give} the {T} to <receiver={O}>, who {be} too surprised to speak.",
        'When <receiver={O}> {open} the parcel, {he3} {drop} {his3} hat. "<so=<question=<thanks=A '
        '{T}, for me?>>>" {he3} {ask}.',
        "So when <giver={F}> {bring} the {T}, <receiver={O}> {cannot} believe it and {kiss} "
        "{him2} on "
        "both cheeks.",
    ),
    "secret/spoilt": (
        "When {F} {bring} the {T} the next day, {O} {have} to pretend to be surprised.",
        "{F} {hear} of it and {put} the {T} away in a drawer, with the paper still on it.",
        "{F} still {give} {O} the {T}, but the fun {be} gone out of it, like the air out of an old tyre.",
    ),
}

POOLS = _CONTEST | _FAVOUR | _SECRET
