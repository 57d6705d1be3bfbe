"""School: classroom, teacher, tests."""

from .topic import Topic

TOPIC = Topic(
    name="school",
    places=("in classroom", "in schoolyard", "in library", "in school canteen"),
    far=("in museum", "at boarding school", "in university", "in exam room"),
    roles=("headmaster", "librarian", "professor", "caretaker"),
    things=("pen", "atlas", "notebook", "satchel", "dictionary", "globe"),
    items=(
        "a pencil",
        "an eraser",
        "a piece of chalk",
        "a textbook",
        "a poster",
        "a school report",
        "a calculator",
        "a marble",
    ),
    goals=("pass the exam", "win the spelling prize", "read the whole library", "learn Latin"),
    tasks=(
        "clean the blackboard",
        "correct the homework",
        "stack the textbooks",
        "feed the hamster",
    ),
    words=(
        "classroom schoolyard library canteen museum boarding university exam headmaster "
        "librarian professor atlas notebook satchel dictionary globe pencil eraser chalk textbook "
        "textbooks poster calculator spelling lesson Latin blackboard homework hamster pupils "
        "class essay"
    ),
    scenes=(
        "A folded note {go} from desk to desk under the eyes of the professor.",
        "Somebody {have} pinned a note to the door: no lesson today.",
        "The pen {leave} spots everywhere, and the whole essay {look} like a map of Africa.",
        "{H} {hold1} {his1} pen and {look1} for an idea on the ceiling.",
        "The date {be} written on the blackboard in large white letters.",
        "Everybody {know} the date of the battle, but nobody {remember} who {win} it.",
        "The hamster in its cage {run} faster than anybody in the class.",
        "A wasp {walk} across the map of Africa, from one sea to the other.",
        "The chalk {squeak}, and thirty pupils {hold+} their hands to their ears.",
        "The bell {go}, and the corridor {be} full of elbows.",
        "In the back row somebody {be} building a tower out of erasers.",
        "The librarian {close} a book and {whisper} that it {be} a sad one.",
        "Between two pages of the dictionary {be} a note, thirty years old, that says only yes.",
        "One pupil {be} asleep behind his atlas, and the others {be+} careful not to wake him.",
        "The exam {be} on the third, and no other date {be} of any interest.",
    ),
    troubles=(
        "Then {H} {see1} the date on the exam paper: it {be} today, and not tomorrow.",
        "Somebody {have} put a rude note on the desk, and the professor {point} at {Ho}.",
        "The pen {run} dry in the middle of the exam, and the professor {say} that time {be} short.",
        "The hamster {be} out of its cage and in the bag of the headmaster, and he {be} just opening it.",
    ),
    talks=(
        '"<sf=<question=What is the date today?>>" {F} {ask}. "<sh=The last one before the '
        'exam,>" {H} '
        "{say1}.",
        '"<sh=<question=May I borrow your pen?>>" {H} {ask1}. "<sf=You still have my old one,>" {F} {say}.',
        '"<sf=<question=Who wrote this note?>>" {F} {ask}. "<sh=Somebody who cannot spell my '
        'name,>" '
        "{H} {say1}.",
        '"<sh=<question=What are you writing with that pen?>>" {H} {ask1}. "<sf=Nothing yet. '
        'It is thinking,>" {F} {say}.',
    ),
)
