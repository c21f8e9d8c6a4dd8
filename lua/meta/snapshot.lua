---@meta

-- Snapshots: a process at one moment, put back to it in place (breakpoint.lua says how the examples run).

--- The process of the thread whose event is being handled (outside of hooks: of the current session's thread) as it is now.
--- `restore` puts it back there, tens of thousands of times a second.
---
--- What comes back: registers of every thread with vector and floating-point state, signal masks; every page that was
--- written; mappings that were made, dropped or protected otherwise; the break; positions of files, what was read from
--- pipes, descriptors that were opened or closed. Calls that leave hooks wait for go back with the stack. What the tracer
--- keeps stays as it is: breakpoints, patches, hits, variables of the script. `limits` says what does not come back.
---
--- Taken in a hook, other threads stand still for it. Running goes on at this place, past the breakpoint whose hook took
--- it, which is not hit again for that. Snapshots may be taken after one another and restored in any order. One is over
--- when its process ends, has another program (exec) or is let go, and when the script has no use of it any more.
---
--- A process with more than 128 MiB of its own memory is made to fork: the originals stay in that child, which never runs,
--- and which the process does not know of.
---
--- Errors: no target, or one that has ended; a thread (EBUSY) that stands at the entry of a system call, in the middle of
--- fork, exec or vfork, or in a `call` of a script's.
---
--- ```lua
--- bp("calc", function() end)
--- run_to "calc"
--- local snap = snapshot()
--- for i = 1, 3 do
---     regs.rdi = i
---     local ret = finish()
---     assert(ret == i + 2)
---     snap:restore()
--- end
--- ```
---@return Snapshot
function snapshot() end

--- What `snapshot` gives.
---
--- ```lua
--- local snap = snapshot()
--- assert(snap.session == process.session and snap.pid == process.pid)
--- assert(snap.regs.rip == regs.rip and #snap.maps == #mem.maps())
--- ```
---@class Snapshot
---@field session Session
---@field pid integer
---@field regs table<string, uint64> the general registers of the thread that it was taken on
---@field maps Mapping[] as `mem.maps()` was
local Snapshot = {}

--- Puts the process back, in place. Threads that came since are ended, and descriptors that were opened since closed. In a
--- hook other threads stand still for it, and the hook's own action is not applied: its stop is undone.
---
--- While there are snapshots of a session's target, its end is one to come back from: exit_group, and a signal that kills it,
--- stop it just before, `run` gives the reason, hooks of `exit` are told, and a further `run` gives the same again. It goes
--- on to its end when the last of its snapshots has been freed; `session.ended` is false until then. SIGKILL is the
--- exception. For `recv_all` and the like that is the end of the file, until the next `restore`; what was sent and not read
--- by then is gone with the run. When a hook of `exit` restores, the run goes on.
---
--- Errors: the snapshot is over, and why; a thread of it has ended by itself, or waits for a child of vfork; something
--- (ENOTSUP) cannot be had back: a shared mapping that was dropped, a pipe or socket that was closed, a file that is gone.
--- The process is in neither state then.
---
--- ```lua
--- local tries = 0
--- bp("calc_add", function()
---     tries = tries + 1
---     if tries < 5 then snap:restore() end
--- end)
--- bp("calc", function(_, b)
---     snap = snap or snapshot()
---     b:remove()
--- end)
--- run()
--- assert(tries == 6) -- of calc(1, 2) five, of calc(4, 5) one
--- ```
function Snapshot:restore() end

--- What `restore` does not put back, a sentence each: what was written to files and pipes, sockets, terminals, children,
--- memory shared with others, the kernel's own state (signal handlers, timers, limits, ids, working directory).
--- `policy { unsafe_syscalls = "report" }` tells when the target does such a thing.
---
--- ```lua
--- for _, limit in ipairs(snapshot():limits()) do print(limit) end
--- ```
---@return string[]
function Snapshot:limits() end

--- A child of the target at this point, as a session of its own: for what in place cannot be done, such as several tries at
--- once. The target is restored, and made to fork. The child has one thread, a copy of the memory, none of the breakpoints,
--- and the same open files: positions are one for both. It is killed when its session is closed.
---
--- Errors: as `restore`; a target (ENOTSUP) with a seccomp filter of its own.
---
--- ```lua
--- local snap = snapshot()
--- local child = snap:fork()
--- assert(child.pid ~= process.pid and child.regs.rip == regs.rip)
--- assert(child:run().code == 0)
--- ```
---@return Session
function Snapshot:fork() end

--- The ranges, in words of eight bytes, whose contents are different in the other snapshot, or, without one, now; memory
--- that only one of the two has counts, page by page, where somebody had written to it. What the kernel tells threads by
--- itself (rseq) is left out.
---
--- Errors: something that is no snapshot; one that is over.
---
--- ```lua
--- local snap = snapshot()
--- mem.u8[regs.rsp] = mem.u8[regs.rsp] + 1
--- assert(#snap:diff() == 1 and snap:diff()[1].stop - snap:diff()[1].start == 8)
--- ```
---@param other? Snapshot|SavedSnapshot
---@return {start: uint64, stop: uint64}[]
function Snapshot:diff(other) end

--- Pages that may be different now, without a look at what they hold: `diff` tells which are.
---
--- Errors: the snapshot is over.
---
--- ```lua
--- local snap = snapshot()
--- mem.u8[regs.rsp] = 1
--- assert(#snap:changed() >= 1)
--- ```
---@return {start: uint64, stop: uint64}[]
function Snapshot:changed() end

--- Memory as it was. Breakpoints and patches do not show.
---
--- Errors: an address where nothing was mapped, or memory that only a device has; the snapshot is over.
---
--- ```lua
--- local snap = snapshot()
--- local before = mem.u64[regs.rsp]
--- mem.u64[regs.rsp] = 0
--- assert(#snap:read(regs.rsp, 8) == 8)
--- mem.u64[regs.rsp] = before
--- ```
---@param addr int
---@param n integer bytes
---@return string
function Snapshot:read(addr, n) end

--- The pieces of memory that it holds, by address; of those that are `zero`, nobody had written anything there. Pages that
--- are a file's own are read from the file, and not among them.
---
--- ```lua
--- assert(#snapshot():ranges() > 0)
--- ```
---@return {start: uint64, stop: uint64, zero: boolean}[]
function Snapshot:ranges() end

--- Writes memory, mappings and registers to a file, for `load_snapshot`.
---
--- Errors: a file that cannot be written, a full disk; the snapshot is over.
---
--- ```lua
--- local path = os.tmpname()
--- snapshot():save(path)
--- assert(load_snapshot(path).regs.rip == regs.rip)
--- os.remove(path)
--- ```
---@param file string
function Snapshot:save(file) end

--- What `save` wrote, to be looked at: its process need not be there any more. Pages that were a file's own are not in it.
---
--- Errors: a file that cannot be read, is none of `save`'s, or was cut off.
---
--- ```lua
--- local path = os.tmpname()
--- local snap = snapshot()
--- snap:save(path)
--- local saved = load_snapshot(path)
--- assert(saved:read(regs.rsp, 64) == snap:read(regs.rsp, 64) and #saved:diff(snap) == 0)
--- os.remove(path)
--- ```
---@param file string
---@return SavedSnapshot
function load_snapshot(file) end

--- As a `Snapshot`, but that nothing can be restored from it: `read`, `ranges`, `diff` and `save`.
---
--- ```lua
--- local path = os.tmpname()
--- snapshot():save(path)
--- print(load_snapshot(path))
--- os.remove(path)
--- ```
---@class SavedSnapshot
---@field pid integer
---@field regs table<string, uint64>
---@field maps Mapping[]

--- As the global `snapshot`, for this session.
---
--- ```lua
--- process.session:snapshot():restore()
--- ```
---@return Snapshot
function Session:snapshot() end

--- Writes a core dump of the process of the thread whose event is being handled, or of the current session's thread, as the
--- kernel would: memory (without our breakpoints), registers of every thread, names of files. GDB opens it:
--- `gdb PROGRAM FILE`. The process goes on.
---
--- Errors: no target, or one that has ended; a file that cannot be written, a full disk.
---
--- ```lua
--- local path = os.tmpname()
--- core(path)
--- local file = io.open(path, "rb")
--- assert(file:read(4) == "\127ELF")
--- file:close()
--- os.remove(path)
--- ```
---@param file string
function core(file) end

--- As the global `core`, for this session.
---
--- ```lua
--- local path = os.tmpname()
--- process.session:core(path)
--- os.remove(path)
--- ```
---@param file string
function Session:core(file) end
