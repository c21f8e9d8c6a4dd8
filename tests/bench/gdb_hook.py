# gdb_hook.py: a Breakpoint whose stop() does what hook.lua's does. Output on stderr: "hits N".
import sys
import gdb


class Hook(gdb.Breakpoint):
    count = 0
    total = 0

    def stop(self):
        Hook.count += 1
        frame = gdb.selected_frame()
        a = int(frame.read_register("rdi"))
        x = int(frame.read_register("rsi"))
        s = gdb.selected_inferior().read_memory(a, 16)
        Hook.total += x + s[0][0]
        return False


gdb.execute("set pagination off")
gdb.execute("set startup-with-shell off")
gdb.execute("set debuginfod enabled off")
gdb.execute("set print thread-events off")
Hook("*bench_fn")
gdb.execute("run")
sys.stderr.write("hits %d\n" % Hook.count)
