"""Music: orchestra, choir, band and church."""

from .topic import Topic

TOPIC = Topic(
    name="music",
    places=("in concert hall", "in music room", "at opera", "in rehearsal room"),
    far=("in old chapel", "at festival", "in dance hall", "in recording studio"),
    roles=("conductor", "violinist", "singer", "drummer"),
    things=("violin", "guitar", "trumpet", "drum", "bow", "song book"),
    items=(
        "a music stand",
        "a microphone",
        "a tambourine",
        "a triangle",
        "a harp string",
        "a metronome",
        "a mouth organ",
        "a baton",
    ),
    goals=("sing the solo", "play the whole sonata by heart", "lead the orchestra", "write a song"),
    tasks=("tune the guitars", "copy the parts", "carry the cello", "rehearse the chorus"),
    words=(
        "concert music opera rehearsal chapel festival studio conductor violinist singer drummer "
        "violin violins guitar guitars trumpet drum drums songs microphone tambourine metronome "
        "baton solo sonata orchestra cello chorus choir piano pianist band waltz tenor"
    ),
    scenes=(
        "A low note from the cello {make} the windows tremble.",
        "The singer {hold} the last note until her face {be} as red as the curtain.",
        "One key of the piano {be} broken, and every waltz {have} a little hole in it.",
        "The pianist {press} a black key, {listen} and {shake} his head.",
        "Somewhere a child {practise} a scale, up and down, up and down.",
        "The tenor {sing} a scale in the bath, and the neighbours {sing+} with him.",
        "The choir {begin} at the right pitch and {arrive} somewhere in the cellar.",
        "The violinist {pull} the bow across the strings, and everybody {stop} talking.",
        "A hair of the bow {have} come loose and {dance} in the air at every turn.",
        "The church organ {cough} like an old dog before it {begin} to sing.",
        "A rock band {practise} next door, and the drums {shake+} the cups on the table.",
        "{H} {like1} rock and {F} {like} waltzes, so they {take+} turns.",
        "In the cellar a rock band {be} playing so loud that the plaster {fall} from the walls.",
        "Nobody over fifty {like} rock, {say} the conductor, and then he {dance} to it.",
        "The piano {be} older than anybody here, and one black key {be} missing.",
        "First comes the scale, then comes the song, {say} the violinist, and {begin} the scale again.",
        "The choir {find} the pitch, {lose} it and {find} it again.",
        "A scale {come} through the wall, each time with the same wrong note.",
    ),
    troubles=(
        "In the middle of the solo a string {snap}, and the next note {be} a terrible squeak.",
        "The organ {stop} with a sigh, and the whole choir {lose} the pitch.",
        "{H} {begin1} in the wrong key, and the conductor {drop} the baton.",
        "{H} {lose1} {his1} place on the page, and the violins and the drums {be+} suddenly "
        "in two different songs.",
    ),
    talks=(
        '"<sh=<question=Which key is it in?>>" {H} {ask1}. "<sf=In the key of your neighbour. Just '
        'follow him,>" {F} {say}.',
        '"<sf=You play one note too many,>" {F} {say}. "<sh=<question=Which one?>>" {H} {ask1}. '
        '"<sf=The last.>"',
        '"<sf=<question=Do you hear the organ?>>" {F} {ask}. "<sh=I feel it in my teeth,>" {H} {say1}.',
        '"<sh=<question=Do you like rock?>>" {H} {ask1}. "<sf=From a distance,>" {F} {say}, '
        '"<sf=a long one.>"',
    ),
)
