"""The market: stalls, money, bargains."""

from .topic import Topic

TOPIC = Topic(
    name="market",
    places=("at market", "in shop", "in market square", "in arcade"),
    far=("in auction house", "at flea market", "in bank", "in warehouse"),
    roles=("merchant", "jeweller", "cashier", "grocer"),
    things=("ring", "purse", "necklace", "hand mirror", "clock", "silk scarf"),
    items=(
        "a coin",
        "a receipt",
        "a vase",
        "a candlestick",
        "a carpet",
        "a bargain lamp",
        "a bag of dates",
        "a price list",
    ),
    goals=("sell a hundred vases", "open a shop", "earn a fortune", "buy back the family clock"),
    tasks=("count the coins", "weigh the goods", "polish the silver", "set up the stall"),
    words=(
        "market auction warehouse merchant jeweller cashier grocer purse necklace coins receipt "
        "vase vases candlestick carpet bargain sell silk fortune buy customer stall stalls goods "
        "penny pennies seller"
    ),
    scenes=(
        "A jeweller {hold} a ring up to the sun and {whisper} a price that {make} everybody laugh.",
        "An old woman {try} to pull a ring from her finger to sell it, and it {will} not move.",
        "The line at the bank {reach} all the way round the square.",
        "A thin man {carry} his pennies to the bank in a sock.",
        "The scale {say} one thing, and the customer {say} another.",
        "A cat {sit} on the scale and {be} exactly as heavy as five onions.",
        "The seller {press} a date into every hand, sticky and sweet and free.",
        "A boy {spit} a date stone over three stalls and {miss} the fourth.",
        "Carpets {hang+} over the rail like tired camels.",
        "Everybody {shout}: pears, pans, parrots, anything that {can} be sold.",
        "{H} {count1} {his1} coins twice and {get1} a different sum each time.",
        "A customer {talk} for an hour about the price of a button and {go} home without it.",
        "A merchant {be} selling rain hats, and looking up at the sky with hope.",
        "The ring in the window {be} so small that it {need} a price in large letters.",
        "A date {cost} a penny, and a bag of dates {cost} a long talk.",
    ),
    troubles=(
        "Then the bank {close} its doors, and half of the merchants {start+} to shout.",
        "A dog {run} between the legs of the stall, and the scale and forty vases {go+} down with it.",
        "The jeweller {bite} on the ring, {spit} and {declare} in front of all that it {be} glass.",
        "All the coins {fall+} through a hole in the bag and {roll+} under the stalls, and "
        "everybody {go} after them.",
    ),
    talks=(
        '"<sf=<question=How much is the ring?>>" {F} {ask}. "<sh=More than the finger,>" {H} {say1}.',
        '"<sh=<question=Does the scale tell the truth?>>" {H} {ask1}. "<sf=On Mondays,>" {F} {say}.',
        '"<sf=My uncle works in the bank,>" {F} {say}. "<sh=<question=Is he rich?>>" {H} {ask1}. '
        '"<sf=No, he cleans it.>"',
        '"<sh=<question=What does a date taste like?>>" {H} {ask1}. "<sf=Like a plum that went to '
        'heaven,>" {F} {say}.',
    ),
)
