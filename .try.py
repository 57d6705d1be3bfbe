import sys,time
from topklm.stories.engine import Stories
for s in Stories(int(sys.argv[1])).take(int(sys.argv[2])):
    v=s.variables
    print(f"[{v.topic}/{v.plot}/{v.trait}/{v.outcome}/{v.mood}/{v.tense}/{v.narrator}] {len(s.text.split())}w {s.path_bits:.0f}b {len(s.spans)} spans\n{s.text}\n")
t=time.time(); n=sum(len(s.text) for s in Stories(99).take(3000)); t=time.time()-t; print(n/t/1e6,"MB/s",n/3000)
