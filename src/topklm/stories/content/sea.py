"""The sea: harbour, boats, seals and storms."""

from .topic import Topic

TOPIC = Topic(
    name="sea",
    places=("at harbour", "on pier", "on beach", "in fishing village"),
    far=("on island", "at lighthouse", "in next bay", "at sandbank"),
    roles=("captain", "fisherman", "sailor", "ferryman"),
    things=("net", "oar", "compass", "anchor", "telescope"),
    items=("a rope", "a bucket", "a sail", "a hook", "a barrel", "a raft", "a lifebelt", "a shell"),
    goals=("sail round the island alone", "catch the biggest fish of the year", "steer the ferry"),
    tasks=("mend the nets", "tar the boat", "dry the sails", "pull in the crabs"),
    words=(
        "harbour pier beach island lighthouse bay sandbank captain fisherman sailor ferryman oar "
        "compass anchor telescope sail sails lifebelt ferry tide crab crabs gull gulls boat boats "
        "mast surf herring reef raft hull fishing tar seaweed"
    ),
    scenes=(
        "A seal {put} its round head out of the water and {look} at everybody in turn.",
        "Two seals {lie+} on a flat rock and {scratch+} their backs in the sun.",
        "Each wave {bring} a little more seaweed and {take} a little sand away.",
        "Out on the rock a gull {crack} a crab, and the next wave {carry} the shell away.",
        "{H} {sit1} on the deck and {pull1} small fish out of the net.",
        "The net {be} full of herring, and the deck {be} shining with silver.",
        "Water {be} slapping against the bow, and somewhere a loose rope {be} knocking on the mast.",
        "Three gulls {be+} riding on the bow of the oldest boat, as if they had paid for it.",
        "The tide {be} out, and the boats {lie+} on their sides like sleeping cows.",
        "In the distance a lighthouse {be} blinking, and the ferry {answer} with its horn.",
        "{H} {taste1} salt on {his1} lips and {hear1} the surf behind the reef.",
        "An old sailor {sit} on a barrel and {paint} a tiny ship inside a bottle.",
        "The whole village {be} down on the beach, looking for the boat that {be} not yet back.",
        "One wave {be} like the other, {say} the sailor, until the one that {be} not.",
        "Every evening the same seal {come} to the pier to beg for a fish head.",
        "The sails {be+} hanging out to dry, like the washing of a giant.",
    ),
    troubles=(
        "Suddenly a great wave {break} over the bow and {sweep} everything across the deck.",
        "Fog {roll} in from the reef, and nobody {can} see the rock until the hull {scrape} over it.",
        "Then the net {catch} on something heavy, the boat {lean} over, and water {pour} in.",
        "With a crack the mast {break} in the surf, and the sails {go+} down with it.",
    ),
    talks=(
        '"<sh=<question=Is the tide coming in?>>" {H} {ask1}. "<sf=Look at the seal on its rock. '
        "When "
        'it leaves, the water is high,>" {F} {say}.',
        '"<sf=<question=What is in the net?>>" {F} {ask}. "<sh=Two crabs, a boot and no fish at '
        'all,>" '
        "{H} {answer1}.",
        '"<sf=I counted every wave last night,>" {F} {say}. "<sh=<question=And how many were '
        'there?>>" '
        '{H} {ask1}. "<sf=One was missing.>"',
        '"<sh=<question=Who is in that boat?>>" {H} {ask1}. "<sf=The captain and his bad '
        'temper,>" {F} {say}.',
    ),
)
