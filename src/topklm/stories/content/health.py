"""Health: hospital, doctors, fevers."""

from .topic import Topic

TOPIC = Topic(
    name="health",
    places=("in hospital", "in waiting room", "in pharmacy", "in doctor's house"),
    far=("in sanatorium", "in children's ward", "at spa", "in operating theatre"),
    roles=("doctor", "nurse", "surgeon", "dentist"),
    things=("stethoscope", "crutch", "thermometer", "hearing aid", "syringe", "wheelchair"),
    items=(
        "a pill",
        "a plaster",
        "a bottle of medicine",
        "a sling",
        "an X-ray",
        "a hot compress",
        "a jar of ointment",
        "a prescription",
    ),
    goals=(
        "become a surgeon",
        "walk without the crutch",
        "find a cure for hiccups",
        "run the ward",
    ),
    tasks=("roll the bandages", "measure the fever", "make the beds", "push the wheelchairs"),
    words=(
        "hospital pharmacy sanatorium ward spa doctor nurse surgeon dentist stethoscope crutch "
        "thermometer syringe wheelchair wheelchairs pill medicine sling ointment prescription "
        "cure fever bandages ambulance"
    ),
    scenes=(
        "The doctor {listen} to a chest and {hear} an old song in it.",
        "With a sigh an old man {close} his shirt over his chest and {ask} for the bill.",
        "A boy {have} such a cold that he {sneeze} in three languages.",
        "Everybody in the ward {have} caught the same cold, even the doctor.",
        "The nurse {look} at a black nail and {say} that it {will} grow out.",
        "A woman {paint} one nail red while her other hand {be} in plaster.",
        "The nurse {write} a number on her palm, because there {be} no paper left.",
        "The old doctor {lay} his palm on a hot forehead and {need} no thermometer.",
        "On the wall {hang} a picture of every organ, each in a different colour.",
        "The liver {be} a patient organ, the surgeon {say}, but it {forget} nothing.",
        "Somebody {cough}, and the whole waiting room {cough} back.",
        "{H} {read1} all the old magazines and {feel1} three new diseases coming.",
        "A girl {be} showing everybody the nail that she {have} lost and kept in a box.",
        "The dentist {be} singing, and the man in his chair {cannot} ask him to stop.",
        "Every organ has its hour, {say} the old doctor, and {look} at the clock.",
        "The nurse {put} a pill into every palm and {wait} until it {be} swallowed.",
    ),
    troubles=(
        "Then an old man {press} both hands to his chest and {fall} off the chair.",
        "The surgeon {need} a new organ within the hour, and the ambulance {be} stuck in the snow.",
        "Overnight the cold {become} a fever, and in the morning nobody in the ward {can} stand up.",
        "A rusty nail {have} to be pulled out, and nobody {can} find the doctor.",
    ),
    talks=(
        '"<sf=<question=How is your cold?>>" {F} {ask}. "<sh=Better than I am,>" {H} {say1}.',
        '"<sh=<question=Which organ hurts?>>" {H} {ask1}. "<sf=The one I pay with,>" {F} {say}.',
        '"<sf=Show me your palm,>" {F} {say}. "<sh=<question=Is it a long life?>>" {H} {ask1}. '
        '"<sf=No, '
        'it is dirt.>"',
        '"<sh=<question=What is wrong with that nail?>>" {H} {ask1}. "<sf=It met a door,>" {F} {say}.',
    ),
)
