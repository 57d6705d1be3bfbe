"""The verbs of the narration. Regular ones by base form, the others with third person and past."""

REGULAR = """
ache play love celebrate blush kiss admire anchor announce answer appear argue arrive ask bake
bandage bargain believe belong blame bleat blink board boil borrow bounce brush bubble button call
carry change chase check cheer chew clatter climb close collect comfort complain confess cook copy
cough count crack crash crawl creak cross crumble cry cure dance dare declare defend die disappear
discover divide drift dry duck dust echo empty end examine explain fetch fill flicker float
flutter fold follow frighten gallop gather gaze glance glare glitter glow graze greet groan haggle
hammer hand happen help hesitate hoist hoot hope hunt hurl hurry insist invite jingle join jump
kick knock land last laugh lean learn lift like limp listen live look manage measure melt mend
miss move name need nibble notice obey offer open order own pack paddle paint pass peck peep pick
please point polish pour practise prescribe press pretend print promise pull purr push race rain
raise rattle reach receive refuse remark remember repeat reply rest roll rumble rust rustle save
scold score scrape scratch search share sharpen shout shuffle sigh sign smell smile smooth sneer
sneeze snore sound sparkle spill splash sprinkle squeak stalk stamp stare start stay steam stumble
swallow talk taste thank tickle tidy tie trade tremble try turn twist type unfold use vanish visit
waddle wait walk wander want warm warn wash watch weigh wheel wheeze whine whirl whisper whistle
wink wish wobble work yawn
"""

IRREGULAR = """
have has had
shrug shrugs shrugged
wrap wraps wrapped
unwrap unwraps unwrapped
drag drags dragged
knit knits knitted
spin spins spun
drum drums drummed
cannot cannot could_not
skip skips skipped
speak speaks spoke
choose chooses chose
slap slaps slapped
snap snaps snapped
step steps stepped
fly flies flew
admit admits admitted
stir stirs stirred
grow grows grew
hide hides hid
steal steals stole
teach teaches taught
buy buys bought
shoot shoots shot
wind winds wound
bend bends bent
run runs ran
beat beats beat
hum hums hummed
pat pats patted
beg begs begged
tap taps tapped
grin grins grinned
sow sows sowed
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
