"""The verbs of the narration. Regular ones by base form, the others with third person and past."""

REGULAR = """
hand learn watch end ache announce answer argue arrive ask believe belong blame bleat blink boil borrow button call
carry change check cheer chew climb close cough count crack crash crawl creak cry dance dare
declare defend die drift duck empty explain fetch flicker flutter follow frighten gallop glance
greet groan haggle happen help hoot hunt join jump knock land last laugh lean lift like listen
live look manage miss move name need notice obey offer open order own paint pick point pour
practise press promise pull push race raise reach receive refuse remark remember roll scrape
scratch search share shout shuffle sigh sign slap smell smile snap sneeze sound squeak stalk stamp
stare start stay step stumble talk taste thank tie try turn type vanish visit wait walk wander
want warn wash weigh wheeze whisper whistle wish work yawn
"""

IRREGULAR = """
have has had
do does did
will will would
can can could
go goes went
say says said
come comes came
lie lies lay
run runs ran
stand stands stood
give gives gave
fall falls fell
sit sits sat
put puts put
hold holds held
begin begins began
hang hangs hung
take takes took
leave leaves left
get gets got
break breaks broke
shake shakes shook
hear hears heard
tell tells told
make makes made
lose loses lost
know knows knew
fly flies flew
find finds found
feel feels felt
drop drops dropped
drip drips dripped
stop stops stopped
write writes wrote
think thinks thought
strike strikes struck
sing sings sang
see sees saw
throw throws threw
eat eats ate
become becomes became
swing swings swung
spit spits spat
slip slips slipped
slide slides slid
sink sinks sank
show shows showed
read reads read
pay pays paid
keep keeps kept
forget forgets forgot
draw draws drew
blow blows blew
bite bites bit
win wins won
wear wears wore
wake wakes woke
understand understands understood
travel travels travelled
tear tears tore
sweep sweeps swept
swear swears swore
stick sticks stuck
spread spreads spread
split splits split
spend spends spent
sleep sleeps slept
shut shuts shut
shine shines shone
shear shears sheared
set sets set
send sends sent
sell sells sold
rush rushes rushed
rise rises rose
ride rides rode
nod nods nodded
meet meets met
let lets let
lend lends lent
leak leaks leaked
lay lays laid
hug hugs hugged
hit hits hit
freeze freezes froze
drink drinks drank
deal deals dealt
creep creeps crept
cost costs cost
clap claps clapped
burst bursts burst
build builds built
breathe breathes breathed
bring brings brought
catch catches caught
"""
