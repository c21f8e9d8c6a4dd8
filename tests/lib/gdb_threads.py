# gdb_threads - for GDB, attached: the functions of every thread (gdb_names.py), "TID\tFUNCTION\tFUNCTION..." a line, to the
# file "theirs".
import os
import sys

import gdb

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
import gdb_names  # noqa: E402

gdb_names.setup()
with open("theirs", "w") as out:
    for thread in gdb.selected_inferior().threads():
        thread.switch()
        out.write("\t".join([str(thread.ptid[1])] + gdb_names.names()) + "\n")
gdb.execute("detach", to_string=True)
