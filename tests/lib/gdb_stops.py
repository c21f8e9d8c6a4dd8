# gdb_stops - for GDB: runs a program up to each of the addresses in the file "hit", once, and writes to "theirs" one
# line for each stop: the address and the functions (gdb_names.py), with tabs between.
#
# STOPS_ARGS=ARGS gdb -batch -x gdb_stops.py PROGRAM     ARGS as a shell has them; the program reads the file "input"
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gdb_names  # noqa: E402

gdb_names.setup()
gdb.execute("set disable-randomization on")


def is_alive():
    return gdb.selected_inferior().pid != 0


gdb.execute("set args %s <input >/dev/null 2>&1" % os.environ["STOPS_ARGS"])
gdb.execute("starti", to_string=True)
entry = [line.split()[-1] for line in gdb.execute("info files", to_string=True).splitlines() if "Entry point" in line][0]
gdb.execute("tbreak *" + entry, to_string=True)
gdb.execute("continue", to_string=True)
with open("hit") as file:
    for line in file:
        gdb.Breakpoint("*" + line.strip(), internal=True, temporary=True)
with open("theirs", "w") as out:
    while is_alive():
        gdb.execute("continue", to_string=True)
        if is_alive():
            pc = gdb.newest_frame().pc()
            out.write("\t".join([hex(pc)] + gdb_names.names()) + "\n")
