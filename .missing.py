import re,glob
from topklm.stories.inflect import verbs
from topklm.stories.content.lexicon import LEXICON
V=set(verbs())|{"be"}
slots=set("H F O Hs Fs Os Ho Hn he1 him1 his1 self1 He1 he2 him2 his2 self2 He2 he3 him3 his3 self3 He3 rel role goal task due warning trait season when then T P Q atP atQ i1 i2 i3 n1 n2 n3 Fo Oo".split())
miss=set()
for f in glob.glob('src/topklm/stories/content/*.py'):
    for m in re.findall(r'\{([A-Za-z0-9+ ]+)\}',open(f).read()):
        n=m.removeprefix('a ')
        if n in slots: continue
        b=n.rstrip('1+')
        if b not in V: miss.add(b)
for c,(d,w,v) in LEXICON.items(): miss|={b for b in v.split() if b not in V}
print(sorted(miss))
