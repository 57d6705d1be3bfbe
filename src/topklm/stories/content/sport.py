"""Sport: the pitch, the gym, the boxing hall."""

from .topic import Topic

TOPIC = Topic(
    name="sport",
    places=("in stadium", "in gym", "at swimming pool", "in boxing hall"),
    far=("in rival club", "on running track", "at cup final", "in training camp"),
    roles=("trainer", "goalkeeper", "referee", "champion"),
    things=("bat", "ball", "racket", "medal", "helmet", "net"),
    items=(
        "a towel",
        "a whistle",
        "a water bottle",
        "a jersey",
        "a skipping rope",
        "a bandage",
        "a stopwatch",
        "a trophy",
    ),
    goals=(
        "win the match",
        "score a goal in the final",
        "beat the champion",
        "play in the first team",
    ),
    tasks=("mark the lines", "pump up the balls", "wash the jerseys", "roll up the net"),
    words=(
        "stadium gym pool club rival trainer goalkeeper referee champion ball racket medal helmet "
        "jersey jerseys stopwatch trophy score team teams goal final boxer boxers striker bench "
        "penalty"
    ),
    scenes=(
        "A girl {swing} the bat, and the ball {fly} over the fence into the next garden.",
        "Every bat {have} a name burnt into its handle, and no player {lend} it to another.",
        "Rain {have} turned the pitch to mud, and the striker {go} farther than the ball.",
        "Two men {be+} painting white lines on the pitch and arguing about which one {be} straight.",
        "In the ring two boxers {dance+} round each other like careful cats.",
        "The bell {call}, and a boxer with red gloves {climb} into the ring.",
        "The ball {roll} gently into the net, and the goalkeeper {look} at it as if it had been rude.",
        "Somebody {have} cut a hole in the net, and good shots {fly+} straight through it.",
        "It {be} the last match of the year, and the benches {be+} full to the last seat.",
        "After the match the losers {sing+} louder than the winners.",
        "The referee {whistle}, and for once both teams {stop+}.",
        "{H} {run1} six laps and {count1} every one of them aloud.",
        "On the pitch a dog {be} running after the ball, and both teams {be+} running after the dog.",
        "The champion {be} asleep on the bench with a towel over his face.",
        "In the ring somebody {be} practising alone, hitting the air again and again.",
    ),
    troubles=(
        "In the second half of the match {H} {fall1} and {land1} on {his1} back, and the crowd {groan}.",
        "Then the bat {crack} with a noise like a gunshot, and the rival team {cheer}.",
        "The score {be} three to nothing, and the trainer {walk} off the pitch in despair.",
        "The referee {give} a penalty in the very last minute, and the whole team {go} pale.",
    ),
    talks=(
        '"<sf=<question=Who won the match?>>" {F} {ask}. "<sh=The mud did,>" {H} {say1}.',
        '"<sh=<question=Are you afraid of the ring?>>" {H} {ask1}. "<sf=Only of the part with the '
        "other "
        'boxer in it,>" {F} {say}.',
        '"<sf=Hold the bat with both hands,>" {F} {say}. "<sh=<question=And the ball?>>" {H} '
        "{ask1}. "
        '"<sf=Hit it, do not hold it.>"',
        '"<sh=<question=Is the pitch dry?>>" {H} {ask1}. "<sf=It is, if you are a frog,>" {F} {say}.',
    ),
)
