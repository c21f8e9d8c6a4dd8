# oracle_gdb.py: a few guesses at oracle_target, by GDB's run and a counting breakpoint. Output: "runs N ns T".
import tempfile
import time
import gdb


class Count(gdb.Breakpoint):
    hits = 0

    def stop(self):
        Count.hits += 1
        return False


gdb.execute("set pagination off")
gdb.execute("set startup-with-shell off")
gdb.execute("set debuginfod enabled off")
Count("*check_byte")
tries = 12
start = time.monotonic()
with tempfile.NamedTemporaryFile("r+") as line:
    for i in range(tries):
        line.seek(0)
        line.write("bestkey%c\n" % (32 + i))
        line.flush()
        gdb.execute("run <%s >/dev/null" % line.name, to_string=True)
print("runs %d ns %d" % (tries, (time.monotonic() - start) * 1e9))
