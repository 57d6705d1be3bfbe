"""The verbs of the narration. Regular ones by base form, the others with third person and past."""

REGULAR = """
ache announce answer argue arrive ask believe blame blush borrow call carry celebrate check cheer
chew climb close cough count crack crash crawl creak cry dance dare declare die drift duck empty
explain fetch follow frighten gallop greet groan help hope jump kick kiss land laugh lean learn
lift like listen look love manage miss move need notice offer open own pack paint pass point pour
practise press pretend promise pull push race raise reach remember rest roll scrape scratch search
share shout sigh smile sneeze squeak stare start stay stumble talk taste thank tie tremble try
turn wait walk wander want warn watch whisper whistle wish work yawn
"""

IRREGULAR = """
beat beats beat
become becomes became
beg begs begged
begin begins began
bite bites bit
blow blows blew
break breaks broke
breathe breathes breathed
bring brings brought
burst bursts burst
can can could
cannot cannot could_not
catch catches caught
clap claps clapped
come comes came
cost costs cost
creep creeps crept
do does did
drink drinks drank
drip drips dripped
drop drops dropped
eat eats ate
fall falls fell
feel feels felt
find finds found
fly flies flew
forget forgets forgot
freeze freezes froze
get gets got
give gives gave
go goes went
grow grows grew
hang hangs hung
have has had
hear hears heard
hold holds held
hug hugs hugged
hum hums hummed
keep keeps kept
know knows knew
lay lays laid
leave leaves left
lend lends lent
let lets let
lie lies lay
lose loses lost
make makes made
meet meets met
nod nods nodded
put puts put
read reads read
ride rides rode
run runs ran
rush rushes rushed
say says said
see sees saw
sell sells sold
set sets set
shake shakes shook
shear shears sheared
shoot shoots shot
show shows showed
shut shuts shut
sing sings sang
sink sinks sank
sit sits sat
skip skips skipped
slide slides slid
slip slips slipped
snap snaps snapped
spend spends spent
spit spits spat
stand stands stood
step steps stepped
stir stirs stirred
stop stops stopped
strike strikes struck
swear swears swore
sweep sweeps swept
swing swings swung
take takes took
tear tears tore
tell tells told
think thinks thought
understand understands understood
wear wears wore
will will would
win wins won
write writes wrote
"""
