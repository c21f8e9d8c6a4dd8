# same_names - two files of backtraces, "KEY\tNAME@START\tNAME@START..." a line, have the same names: same_names.py OURS THEIRS
#
# In start-up code without call frame information (_init, _fini, and what runs constructors) GDB takes what lies on the
# stack for a return address, and shows a frame ?? for it; those are left out where the start-up code's callers follow.
import sys

STARTUP = {"_init", "_fini", "_dl_call_fini", "call_init", "_dl_fini", "_dl_init", "call_fini"}


def read(path):
    with open(path) as file:
        return {line.split("\t")[0]: line.rstrip("\n").split("\t")[1:] for line in file}


def split(functions):
    # Parameter lists, and the parts that a function was split into, are left out.
    parts = [function.rpartition("@") for function in functions]
    return [(name.split("(")[0].split(".cold")[0], start) for name, _, start in parts]


def one_is_other(ours, theirs):
    # Of several names of one function, GDB takes any.
    return ours[0] == theirs[0] or (ours[1] and ours[1] == theirs[1])


def equal(ours, theirs):
    return len(ours) == len(theirs) and all(one_is_other(a, b) for a, b in zip(ours, theirs))


def same(ours, theirs):
    ours, theirs = split(ours), split(theirs)
    if equal(ours, theirs):
        return True
    if STARTUP & {name for name, _ in ours + theirs}:
        ours, theirs = [n for n in ours if n[0] != "??"], [n for n in theirs if n[0] != "??"]
        # Behind _fini's last instructions GDB sees nobody; the head of the PLT has no name for it.
        return equal(ours, theirs) or (ours and ours[0][0] in ("_init", "_fini"))
    return False


ours, theirs = read(sys.argv[1]), read(sys.argv[2])
wrong = sorted(key for key in set(ours) | set(theirs) if not same(ours.get(key, []), theirs.get(key, [])))
for key in wrong[:10]:
    print("%s\n  ours:   %s\n  theirs: %s" % (key, " ".join(ours.get(key, ["-"])), " ".join(theirs.get(key, ["-"]))))
print("%d of %d differ" % (len(wrong), len(ours)))
sys.exit(1 if wrong or not ours else 0)
