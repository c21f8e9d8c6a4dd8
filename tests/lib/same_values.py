# same_values - what GDB found, we found: same_values.py OURS THEIRS, files of our_values.lua and gdb_values.py
import sys


def read(path):
    with open(path) as file:
        rows = [line.rstrip("\n").split("\t") for line in file]
    return {row[0]: dict(pair.split("=", 1) for pair in row[1:] if pair) for row in rows}


def same(ours, theirs):
    try:
        return ours == theirs or float(ours) == float(theirs)
    except (TypeError, ValueError):
        return False


ours, theirs = read(sys.argv[1]), read(sys.argv[2])
count = wrong = 0
for address, values in sorted(theirs.items()):
    for name, value in values.items():
        count += 1
        if not same(ours.get(address, {}).get(name), value):
            wrong += 1
            print("%s %s: ours %s, theirs %s" % (address, name, ours.get(address, {}).get(name), value))
print("%d of %d values differ, at %d places" % (wrong, count, len(theirs)))
sys.exit(1 if wrong or count < 5 else 0)
