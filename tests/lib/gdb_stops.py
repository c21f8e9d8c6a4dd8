# gdb_stops - for GDB: runs a program up to each of the addresses in the file "hit", once, and writes to "theirs" one
# line for each stop: the address, a tab, the names of the functions from the innermost frame on, with tabs between.
#
# STOPS_ARGS=ARGS gdb -batch -x gdb_stops.py PROGRAM     ARGS as a shell has them; the program reads the file "input"
import os

import gdb

FRAMES = 200

for setting in ("pagination off", "width 0", "confirm off", "debuginfod enabled off", "backtrace past-main on",
                "backtrace past-entry on", "disable-randomization on", "print inferior-events off"):
    gdb.execute("set " + setting)


def names():
    frame, found = gdb.newest_frame(), []
    while frame is not None and len(found) < FRAMES:
        found.append("<signal>" if frame.type() == gdb.SIGTRAMP_FRAME else frame.name() or "??")
        try:
            frame = frame.older()
        except gdb.error:
            break
    return found


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
            out.write("\t".join([hex(pc)] + names()) + "\n")
