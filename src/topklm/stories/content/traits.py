"""Traits of the hero: how each is told at the start, and how it decides the story near its end."""

from typing import NamedTuple


class Trait(NamedTuple):
    """One trait; good ones lead to a good end, bad ones to a bad one."""

    name: str
    good: bool
    told: tuple[str, ...]
    decides: tuple[str, ...]


TRAITS = (
    Trait(
        "patient",
        True,
        (
            "{H} {be1} <trait:told=patient, as patient as an old tortoise>.",
            "<trait:told=Nobody {have} ever seen {Ho} in a hurry>.",
        ),
        (
            "Anyone else would have given up. <trait:decides={H} {sit1} down, {count1} slowly to a "
            "hundred and {begin1} again from the beginning>.",
            "<trait:decides={H} {do1} not hurry. {He1} {wait1}, and {wait1} a little longer>, until "
            "the right moment {come}.",
        ),
    ),
    Trait(
        "brave",
        True,
        (
            "{H} {be1} <trait:told=brave, braver than most people who are twice as tall>.",
            "<trait:told=When others {run+} away, {H} {go1} closer to have a look>.",
        ),
        (
            "Everybody {step} back. <trait:decides={Hs} knees {shake+}, but {he1} {go1} first, and "
            "{he1} {do1} not turn round>.",
            "<trait:decides={H} {take1} a deep breath and {do1} the one thing that nobody else {dare} "
            "to do>.",
        ),
    ),
    Trait(
        "honest",
        True,
        (
            "{H} {be1} <trait:told=honest, even when a small lie would be easier>.",
            "<trait:told=In all these years nobody {have} caught {Ho} in a lie>.",
        ),
        (
            "It would have been easy to say nothing. <trait:decides={H} {tell1} them everything, the "
            "bad parts too>, and because of that they {believe+} {Ho}.",
            "<trait:decides={H} {say1} openly what had happened and whose fault it was>, and the "
            "truth {open} a door that no lie could have opened.",
        ),
    ),
    Trait(
        "careful",
        True,
        (
            "{H} {be1} <trait:told=careful, and {check1} every knot and every lock twice>.",
            "<trait:told={H} never {leave1} the house without a spare of everything>.",
        ),
        (
            "Luckily <trait:decides={H} had thought of this beforehand. {He1} {have1} a second plan, "
            "written down on a piece of paper>.",
            "<trait:decides={H} {look1} at everything twice, and the second time {he1} {find1} the "
            "one small thing that {be} wrong>.",
        ),
    ),
    Trait(
        "kind",
        True,
        (
            "{H} {be1} <trait:told=kind, and even the stray cats {follow+} {Ho} down the street>.",
            "<trait:told={H} {can} never see anybody cry without stopping to help>.",
        ),
        (
            "<trait:decides={H} {forget1} {his1} own trouble and first {look1} after the smallest "
            "one there>, and soon a dozen hands {be+} ready to help {Ho} too.",
            "A child {be} crying in the corner. <trait:decides={H} {stop1} to comfort the child>, and "
            "the grateful parents {know+} just what to do.",
        ),
    ),
    Trait(
        "stubborn",
        True,
        (
            "{H} {be1} <trait:told=stubborn, and the word no only {make} {Ho} try harder>.",
            "<trait:told=Once {H} {have1} begun a thing, nothing on earth {can} stop {Ho}>.",
        ),
        (
            "It {go} wrong once, it {go} wrong twice. <trait:decides={H} {try1} a third time, and a "
            "fourth>, and the fourth time it {work}.",
            "Everybody {tell+} {Ho} to stop. <trait:decides={H} {shake1} {his1} head and {carry1} on "
            "all the same>, and slowly, slowly, things {turn}.",
        ),
    ),
    Trait(
        "careless",
        False,
        (
            "{H} {be1} <trait:told=careless, and every cup in the house {have} lost its handle>.",
            "<trait:told=Wherever {H} {go1}, doors {stay+} open and taps {drip+}>.",
        ),
        (
            "<trait:decides={H} {do1} not check anything. One knot {be} loose, and one {be} enough>.",
            "<trait:decides={H} {put1} it down on the very edge and {turn1} away>, and everybody "
            "{hear} the crash.",
        ),
    ),
    Trait(
        "greedy",
        False,
        (
            "{H} {be1} <trait:told=greedy, and a full plate never {be} full enough>.",
            "<trait:told=Whatever {H} {have1}, {he1} {want1} two of it>.",
        ),
        (
            "There {be} enough for all. <trait:decides={H} {want1} more than {his1} share and "
            "{reach1} out for the rest>, and so {he1} {lose1} everything.",
            "<trait:decides={H} {can} not leave the last piece alone>, and while {his1} hands {be+} "
            "full the chance {slip} away.",
        ),
    ),
    Trait(
        "proud",
        False,
        (
            "{H} {be1} <trait:told=proud, much too proud to ask anybody for help>.",
            "<trait:told=Nobody {have} ever heard {Ho} say that {he1} {be1} wrong>.",
        ),
        (
            "A single question would have been enough. <trait:decides={H} {do1} not ask it, because "
            "{he1} {do1} not want to look small>.",
            "Three people {offer+} to help. <trait:decides={H} {thank1} them coldly and {say1} that "
            "{he1} {need1} nobody>, which {be} not true.",
        ),
    ),
    Trait(
        "lazy",
        False,
        (
            "{H} {be1} <trait:told=lazy, and {can} sleep sitting on a fence>.",
            "<trait:told={H} never {stand1} where {he1} {can} sit, and never {sit1} where {he1} {can} "
            "lie down>.",
        ),
        (
            "There {be} still time. <trait:decides={H} {lie1} down for five minutes, and the five "
            "minutes {become} an hour>.",
            "<trait:decides={H} {yawn1} and {leave1} the rest for tomorrow>, but tomorrow {be} too "
            "late.",
        ),
    ),
    Trait(
        "hasty",
        False,
        (
            "{H} {be1} <trait:told=hasty, and {answer1} before the question {be} finished>.",
            "<trait:told={H} {eat1} fast, {talk1} fast and {run1} down every staircase>.",
        ),
        (
            "<trait:decides={H} {do1} not wait to hear the end. {He1} {rush1} off at once, in the "
            "wrong direction>.",
            "One more minute would have been enough. <trait:decides={H} {pull1} too soon and too "
            "hard>, and something {break} with a snap.",
        ),
    ),
    Trait(
        "forgetful",
        False,
        (
            "{H} {be1} <trait:told=forgetful, and {tie1} knots in handkerchiefs that {he1} then "
            "{lose1}>.",
            "<trait:told={H} {can} look for {his1} hat for an hour while wearing it>.",
        ),
        (
            "<trait:decides={H} {stand1} there and {can} not remember what {he1} had been told>, and "
            "while {he1} {think1}, the time {run} out.",
            "There {be} one thing to remember. <trait:decides=It {go} clean out of {Hs} head>.",
        ),
    ),
)
