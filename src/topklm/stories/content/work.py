"""Work: workshop, factory, building site and office."""

from .topic import Topic

TOPIC = Topic(
    name="work",
    places=("in workshop", "at building site", "in office", "in factory"),
    far=("at power station", "in head office", "at steel mill", "in shipyard"),
    roles=("engineer", "manager", "mechanic", "secretary"),
    things=("drill", "spring", "hammer", "computer", "seal", "toolbox"),
    items=(
        "a wrench",
        "a ladder",
        "a printer",
        "a contract",
        "a screwdriver",
        "a stapler",
        "a pulley",
        "a crowbar",
    ),
    goals=(
        "build a machine that folds shirts",
        "run the factory",
        "design a bridge",
        "earn a promotion",
    ),
    tasks=("oil the machines", "sort the screws", "type the contracts", "weld the pipes"),
    words=(
        "workshop office factory shipyard engineer manager mechanic secretary drill hammer "
        "computer toolbox wrench printer contract contracts screwdriver stapler pulley crowbar "
        "machine machines design promotion screws type pipes weld boss foreman engine scaffold "
        "lathe steel"
    ),
    scenes=(
        "A crane {lift} a steel beam over the roofs as if it were a straw.",
        "The man in the crane {eat} his lunch high above everybody's heads.",
        "A spring {jump} out of the machine and {roll} under the desk.",
        "Without the little spring the whole engine {be} only a heavy box.",
        "The secretary {move} the mouse, and all the letters {be+} gone from the screen.",
        "The mouse {have} no battery, so the secretary {write} everything by hand.",
        "The whole plant {be} full of oil and dust, and the night shift {yawn}.",
        "At six the plant {fall} silent, and one {can} hear the clock.",
        "{H} {miss1} the nail and {find1} the thumb.",
        "A single nail {hold} the picture of the founder, and it {be} rusty.",
        "Every bolt {have} to be tightened twice, {say} the foreman, and once more on Fridays.",
        "The boss {press} the seal into the red wax, and the contract {be} signed.",
        "A mouse without a tail {be} lying beside the computer, waiting for a battery.",
        "High on the scaffold two men {be+} eating bread and throwing half of it to the sparrows.",
        "The manager {be} looking for the contract, and the contract {be} under his coffee.",
        "Somebody {have} hung his hat on the nail that {be} meant for the clock.",
    ),
    troubles=(
        "Then a bolt {shear} off, the crane {swing} round, and everybody {duck}.",
        "Smoke {come} from the biggest machine, and the whole plant {stop} at once.",
        "The seal on the contract {be} broken, and the manager {shout} so loud that a spring "
        "{fall} off "
        "the lathe.",
        "The computer {go} black, and no hammer and no mouse {can} bring it back.",
    ),
    talks=(
        '"<sf=<question=Is the bolt tight?>>" {F} {ask}. "<sh=Tighter than the boss,>" {H} {say1}.',
        '"<sh=<question=Who drives the crane today?>>" {H} {ask1}. "<sf=Somebody who is afraid of '
        'stairs,>" {F} {say}.',
        '"<sf=Hand me a nail,>" {F} {say}. "<sh=<question=A long one?>>" {H} {ask1}. "<sf=As long '
        "as "
        'my patience.>"',
        '"<sh=<question=Does the mouse work?>>" {H} {ask1}. "<sf=As hard as the boss,>" {F} '
        '{say}. "<sf=Not at all.>"',
    ),
)
