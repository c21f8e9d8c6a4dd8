"""Compares the code of a live process with its files: text.py PID. Exit status 1, and a line for each difference."""
import sys

pid = sys.argv[1]
differs = compared = 0
with open(f"/proc/{pid}/maps") as maps, open(f"/proc/{pid}/mem", "rb") as mem:
    for line in maps:
        span, perms, offset, _, inode, *path = line.split(None, 5)
        if "x" not in perms or inode == "0":
            continue
        start, stop = (int(x, 16) for x in span.split("-"))
        with open(f"/proc/{pid}/root{path[0].strip()}", "rb") as file:
            file.seek(int(offset, 16))
            expected = file.read(stop - start)
        mem.seek(start)
        found = mem.read(len(expected))
        compared += len(found)
        for i in (i for i in range(len(expected)) if expected[i] != found[i]):
            print(f"{path[0].strip()}: at {start + i:#x} is {found[i]:#04x}, the file has {expected[i]:#04x}")
            differs += 1
if not compared:
    sys.exit(f"process {pid} has no code of a file")
sys.exit(differs > 0)
