# gdb_names - for GDB's scripts: the names of the functions on a stack, the innermost first, as "NAME@START": where the
# function begins, in hex, as far as GDB knows; "??@" when it knows no name.
import gdb

FRAMES = 200


def setup():
    for setting in ("pagination off", "width 0", "confirm off", "debuginfod enabled off", "backtrace past-main on",
                    "backtrace past-entry on"):
        gdb.execute("set " + setting)


def start_of(frame):
    name = frame.name()
    if name is None or frame.type() == gdb.INLINE_FRAME:
        return ""
    try:
        if frame.function() is not None:
            return hex(int(frame.function().value().address))
        return hex(int(gdb.parse_and_eval("(unsigned long)&'%s'" % name)))
    except gdb.error:
        return ""


def names():
    frame, found = gdb.newest_frame(), []
    while frame is not None and len(found) < FRAMES:
        if frame.type() == gdb.SIGTRAMP_FRAME:
            found.append("<signal>@")
        else:
            found.append("%s@%s" % (frame.name() or "??", start_of(frame)))
        try:
            frame = frame.older()
        except gdb.error:
            break
    return found
