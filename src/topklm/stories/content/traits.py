"""Traits of the hero: how each is told at the start, and how it decides the story near its end."""

from typing import NamedTuple


class Trait(NamedTuple):
    """One trait; good ones lead to a good end, bad ones to a bad one."""

    name: str
    good: bool
    told: tuple[str, ...]
    decides: tuple[str, ...]
    """In danger, on a journey, in a contest"""
    seeks: tuple[str, ...]
    """While looking for something that is lost"""
    holds: tuple[str, ...]
    """When asked for somebody else's secret"""


TRAITS = (
    Trait(
        "patient",
        True,
        (
            "{H} {be1} <trait:told=patient, as patient as an old tortoise>.",
            "<trait:told=Nobody {have} ever seen {Ho} in a hurry>.",
            "<trait:told={H} {can} wait for hours without a sigh, and {sit1} as still as a stone>.",
        ),
        (
            "Anyone else would have given up. <trait:decides={H} {sit1} down, {count1} slowly to a "
            "hundred and {begin1} again from the beginning>.",
            "<trait:decides={H} {do1} not hurry. {He1} {wait1}, and {wait1} a little longer>, "
            "until "
            "the right moment {come}.",
            "<trait:decides={H} {watch1} and {wait1}, as a cat {wait} for a bird>, and in the end "
            "the way {be} free.",
        ),
        (
            "<trait:decides={H} {look1} in the same place a third time, slowly, one corner after the other>.",
            "The others {get+} tired of it. <trait:decides={H} {move1} on from one thing to the "
            "next, all afternoon, without hurry>.",
        ),
        ("<trait:decides={H} {smile1} and {wait1} until {O} {be} tired of asking>.",),
    ),
    Trait(
        "brave",
        True,
        (
            "{H} {be1} <trait:told=brave, braver than most people who are twice as tall>.",
            "<trait:told=When others {run+} away, {H} {go1} closer to have a look>.",
            "<trait:told={H} {be1} the first on the ice and the last to leave the dark cellar>.",
        ),
        (
            "Everybody {step} back. <trait:decides={Hs} knees {shake+}, but {he1} {go1} first, and "
            "{he1} {do1} not turn round>.",
            "<trait:decides={H} {take1} a deep breath and {do1} the one thing that nobody else "
            "{dare} "
            "to do>.",
            "{H} {be1} afraid, like all the others. <trait:decides=But {he1} {close1} {his1} hands to "
            "fists and {walk1} forward>.",
        ),
        (
            "One room {be} left, and it {be} dark. <trait:decides={H} {go1} in alone, although "
            "nobody else {want} to>.",
            "<trait:decides={H} {climb1} up to where even the cats {be+} afraid to go>, and "
            "{look1} there too.",
        ),
        ("<trait:decides={H} {look1} straight back at {O} and {do1} not blink>.",),
    ),
    Trait(
        "honest",
        True,
        (
            "{H} {be1} <trait:told=honest, even when a small lie would be easier>.",
            "<trait:told=In all these years nobody {have} caught {Ho} in a lie>.",
            "<trait:told={H} {tell1} people what {he1} {think1}, and {give1} back every coin that "
            "{he1} {find1}>.",
        ),
        (
            "It would have been easy to say nothing. <trait:decides={H} {tell1} them everything, "
            "the "
            "bad parts too>, and because of that they {believe+} {Ho}.",
            "<trait:decides={H} {say1} openly what had happened and whose fault it was>, and the "
            "truth {open} a door that no lie could have opened.",
            "They {ask+} {Ho} who {be} to blame. <trait:decides={H} {say1} that {he1} {be1} to "
            "blame {self1}>, and nobody {be} angry for long.",
        ),
        (
            "<trait:decides={H} {tell1} everybody that {he1} had been careless too>, and after "
            "that the others {tell+} {Ho} more.",
            "Somebody {offer} {Ho} another one. <trait:decides={H} {say1} that it {be} not {his1} "
            "own, and {give1} it back>.",
        ),
        (
            "<trait:decides={H} {tell1} no lie. {He1} {say1} that there {be} something, and that "
            "{he1} {will} not say what>.",
        ),
    ),
    Trait(
        "careful",
        True,
        (
            "{H} {be1} <trait:told=careful, and {check1} every knot and every lock twice>.",
            "<trait:told={H} never {leave1} the house without a spare of everything>.",
            "<trait:told={H} {look1} left, right and left again, even when crossing a room>.",
        ),
        (
            "Luckily <trait:decides={H} had thought of this beforehand. {He1} {have1} a second "
            "plan, "
            "written down on a piece of paper>.",
            "<trait:decides={H} {look1} at everything twice, and the second time {he1} {find1} the "
            "one small thing that {be} wrong>.",
            "<trait:decides={H} had tied everything down the night before>, so nothing {can} "
            "fall and nothing {can} break.",
        ),
        (
            "<trait:decides={H} {write1} down every place where {he1} had been that day, and "
            "{go1} through the list>.",
            "<trait:decides={H} {make1} squares on the floor with a piece of string>, and {look1} "
            "into one square at a time.",
        ),
        ("<trait:decides={H} {think1} about every word twice before {he1} {say1} it>.",),
    ),
    Trait(
        "kind",
        True,
        (
            "{H} {be1} <trait:told=kind, and even the stray cats {follow+} {him1} down the street>.",
            "<trait:told={H} {cannot} see anybody cry without stopping to help>.",
            "<trait:told={H} {share1} {his1} last piece of bread with anybody who {look} hungry>.",
        ),
        (
            "<trait:decides={H} {forget1} {his1} own trouble and first {look1} after the smallest "
            "one there>, and soon a dozen hands {be+} ready to help {Ho} too.",
            "A child {be} crying in the corner. <trait:decides={H} {stop1} to comfort the child>, "
            "and "
            "the grateful parents {know+} just what to do.",
            "<trait:decides={H} {give1} {his1} own coat to an old man who {tremble} with fear>, "
            "and the old man {show} {Ho} the way.",
        ),
        (
            "<trait:decides={H} {do1} not shout at anybody. {He1} {ask1} softly, and {listen1} to "
            "every answer>.",
            "<trait:decides={H} {see1} how tired the others {be+}, and {make1} tea for all of them first>.",
        ),
        (
            "<trait:decides={H} {think1} of how glad {F} {will} be, and {give1} {O} a piece of "
            "cake instead of an answer>.",
        ),
    ),
    Trait(
        "stubborn",
        True,
        (
            "{H} {be1} <trait:told=stubborn, and the word no only {make} {Ho} try harder>.",
            "<trait:told=Once {H} {have1} begun a thing, nothing on earth {can} stop {him1}>.",
            "<trait:told={H} {have1} never in {his1} life given up anything that {he1} had begun>.",
        ),
        (
            "It {go} wrong once, it {go} wrong twice. <trait:decides={H} {try1} a third time, and "
            "a "
            "fourth>, and the fourth time it {work}.",
            "Everybody {tell} {Ho} to stop. <trait:decides={H} {shake1} {his1} head and {carry1} "
            "on "
            "all the same>, and slowly, slowly, things {turn+}.",
            "<trait:decides={H} {push1} and {pull1}, {rest1} for a minute, and {push1} again>. "
            "The minute after that it {move}.",
        ),
        (
            "<trait:decides={H} {do1} not give up, not after one hour and not after three>.",
            "Go home, everybody {say}. <trait:decides={H} {turn1} round and {start1} once more at "
            "the very first corner>.",
        ),
        ("{O} {ask} ten times, <trait:decides=and ten times {H} {shake1} {his1} head>.",),
    ),
    Trait(
        "careless",
        False,
        (
            "{H} {be1} <trait:told=careless, and every cup in the house {have} lost its handle>.",
            "<trait:told=Wherever {H} {go1}, doors {stay+} open and taps {drip+}>.",
            "<trait:told={H} {leave1} {his1} things wherever they {fall+}, and half of them never "
            "{come+} home again>.",
        ),
        (
            "<trait:decides={H} {do1} not check anything. One knot {be} loose, and one {be} enough>.",
            "<trait:decides={H} {put1} it down on the very edge and {turn1} away>, and everybody "
            "{hear} the crash.",
            "<trait:decides={H} {forget1} to close the lid>, and the wind {do} the rest.",
        ),
        (
            "<trait:decides={H} {look1} with one eye and {talk1} all the while>, and {walk1} past "
            "the right place twice.",
            "<trait:decides={H} {put1} everything into one big heap>, and now nobody {can} find anything.",
        ),
        ("<trait:decides={H} {leave1} the door of the cupboard wide open>.",),
    ),
    Trait(
        "greedy",
        False,
        (
            "{H} {be1} <trait:told=greedy, and a full plate {be} never full enough>.",
            "<trait:told=Whatever {H} {have1}, {he1} {want1} two of it>.",
            "<trait:told={H} always {take1} the biggest piece, and then {look1} at the others' plates>.",
        ),
        (
            "There {be} enough for all. <trait:decides={H} {want1} more than {his1} part and "
            "{reach1} out for the rest>, and so {he1} {lose1} everything.",
            "<trait:decides={H} {cannot} leave the last piece alone>, and while {his1} hands {be+} "
            "full the chance {slip} away.",
            "<trait:decides={H} {put1} more and more into {his1} pockets until the seams {burst+}>, and "
            "everything "
            "{fall} into the dirt.",
        ),
        (
            "<trait:decides={H} {spend1} the time asking for a new one, or better two new ones>.",
            "<trait:decides={H} {promise1} a reward, and then {think1} it {be} too much and "
            "{take1} it back>.",
        ),
        ("{O} {offer} {i1} for an answer, <trait:decides=and {H} {want1} it too much to say no>.",),
    ),
    Trait(
        "proud",
        False,
        (
            "{H} {be1} <trait:told=proud, much too proud to ask anybody for help>.",
            "<trait:told=Nobody {have} ever heard {Ho} say that {he1} {be1} wrong>.",
            "<trait:told={H} {walk1} with {his1} nose in the air and {greet1} only important people>.",
        ),
        (
            "A single question would have been enough. <trait:decides={H} {do1} not ask it, "
            "because "
            "{he1} {do1} not want to look small>.",
            "Three people {offer+} to help. <trait:decides={H} {thank1} them coldly and {say1} "
            "that "
            "{he1} {need1} nobody>.",
            "Somebody {call} out that it {be} the wrong way. <trait:decides={H} {pretend1} not to "
            "hear>, and {go1} on with {his1} head held high.",
        ),
        (
            "<trait:decides={H} {do1} not let anybody see that {he1} {need1} help>, and {go1} on alone.",
            "A child {know} where to look. <trait:decides={H} {do1} not listen to children>.",
        ),
        ("<trait:decides={H} {cannot} bear to look like somebody who {know} nothing>.",),
    ),
    Trait(
        "lazy",
        False,
        (
            "{H} {be1} <trait:told=lazy, and {can} sleep sitting on a fence>.",
            "<trait:told={H} never {stand1} where {he1} {can} sit, and never {sit1} where {he1} "
            "{can} "
            "lie down>.",
            "<trait:told={H} {believe1} that all work {do} itself if one only {wait} long enough>.",
        ),
        (
            "There {be} still time. <trait:decides={H} {lie1} down for five minutes, and the five "
            "minutes {become+} an hour>.",
            "<trait:decides={H} {yawn1} and {leave1} the rest for tomorrow>, but tomorrow {be} too late.",
            "<trait:decides={H} {do1} half of what {have} to be done and {hope1} for the best>. "
            "Half {be} not enough.",
        ),
        (
            "<trait:decides={H} {look1} for three minutes, {sit1} down and {close1} {his1} eyes>.",
            "<trait:decides={H} {look1} only where {he1} {can} look without getting up>.",
        ),
        ("It {be} less work to talk than to keep silent, <trait:decides=and {H} {take1} the easy way>.",),
    ),
    Trait(
        "hasty",
        False,
        (
            "{H} {be1} <trait:told=hasty, and {answer1} before the question {be} finished>.",
            "<trait:told={H} {eat1} fast, {talk1} fast and {run1} down every staircase>.",
            "<trait:told={H} {arrive1} everywhere out of breath, and {leave1} again before the "
            "tea {be} ready>.",
        ),
        (
            "<trait:decides={H} {do1} not wait to hear the end. {He1} {run1} off at once, in the wrong "
            "direction>.",
            "One more minute would have been enough. <trait:decides={H} {pull1} too soon and too "
            "hard>, and something {break} with a snap.",
            "<trait:decides={H} {jump1} before {he1} {look1}>, and {land1} where nobody {want} to land.",
        ),
        (
            "<trait:decides={H} {run1} through all the rooms and {see1} nothing in any of them>.",
            "<trait:decides={H} {pull1} out one drawer after the other so fast that half of it "
            "{fall} behind the cupboard>.",
        ),
        ("<trait:decides={H} {open1} {his1} mouth before {he1} {have1} time to think>.",),
    ),
    Trait(
        "forgetful",
        False,
        (
            "{H} {be1} <trait:told=forgetful, and {tie1} knots in handkerchiefs that {he1} then {lose1}>.",
            "<trait:told={H} {can} look for {his1} hat for an hour while wearing it>.",
            "<trait:told={H} {can} go to the shop for bread and come home with a comb>.",
        ),
        (
            "<trait:decides={H} {stand1} there and {cannot} remember what {he1} had been told>, "
            "and "
            "while {he1} {think1}, the time {run} out.",
            "There {be} one thing to remember. <trait:decides=It {go} clean out of {Hs} head>.",
            "<trait:decides={H} {have1} left the most important thing at home>, and {see1} it only now.",
        ),
        (
            "<trait:decides={H} {cannot} for the life of {him1} remember where {he1} {have1} last used it>.",
            "<trait:decides=After an hour {H} {can} no longer say what {he1} {be1} looking for>.",
        ),
        ("<trait:decides={H} {forget1} that it {be} a secret at all>.",),
    ),
)
