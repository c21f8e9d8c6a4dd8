---@meta

-- Functions and system calls that scripts run in a target, and memory for them (breakpoint.lua says how the examples run).

--- A whole number that is passed as a double, as `f64` gives it.
---
--- ```lua
--- assert(tostring(f64(2)) == "f64(2)")
--- ```
---@class F64

--- For `call`: a number that is a double although it is whole. Fractional ones are without it.
---
--- Errors: no number.
---
--- ```lua
--- bp("main", function() print(call("libc!abs", -5), f64(1)) end)
--- ```
---@param x number
---@return F64
function f64(x) end

--- ```lua
--- call("calc", 1, 2, { timeout = 1, hooks = false, result = "u64" })
--- ```
--- Options of `call`, behind its arguments.
---@class CallOptions
---@field timeout? number seconds; past them the function is given up. Default: none
---@field hooks? boolean default true: breakpoints inside the function fire
---@field result? "u64"|"f64" default "u64", which is rax; "f64": the double in xmm0, as a number

--- Runs a function of the target on the thread that `thread` means, and gives what it returns in rax. Up to 12 arguments:
--- whole numbers, 64-bit numbers, `nil` and booleans as integers, fractional numbers and `f64(x)` as doubles, strings as
--- pointers to a copy (with a zero byte behind it) on the target's stack, FFI arrays and structs as pointers to a copy
--- that is copied back afterwards. Works outside of hooks and in them, also in hooks that fire within a call.
---
--- The session runs meanwhile: other threads go on, hooks fire. Then the thread is as it was: registers, vector and
--- floating-point state, signal mask, errno, a system call that it was blocked in or is about to make, a signal that it
--- was about to get. The stack below the red zone, and what the function did to memory, are not.
---
--- Errors (`Error`): EFAULT: the function raised a signal that would kill the program, and which; or it left by longjmp or
--- an exception, which is seen when the thread next meets a breakpoint. ETIMEDOUT: it took longer than `timeout`. EINTR: a
--- hook ended the run. ESRCH: it ended its thread, or replaced the program. EBUSY: the thread stands in vfork, or at the
--- entry of a system call whose strings `sc:set_str` has set. EDEADLK: calls within hooks within calls, 200 deep. ENOTSUP:
--- a seccomp filter in the target forbids mapping the memory to return to. An error in a hook inside ends the run, and the
--- call with it. A child that the function forks dies when the function returns in it.
---
--- ```lua
--- assert(call("calc", 20, 22) == 42)
--- bp("main", function()
---     call("libc!printf", "%d %s\n", 7, "x")
---     local p = call("libc!malloc", 64)
---     call("libc!free", p)
--- end)
--- ```
---@param where Where
---@param ... int|number|string|F64|ffi.cdata*|CallOptions the arguments, then options
---@return uint64|number
function call(where, ...) end

--- As the global `call`, for this session.
---
--- ```lua
--- assert(process.session:call("calc", 20, 22) == 42)
--- ```
---@param where Where
---@param ... int|number|string|F64|ffi.cdata*|CallOptions
---@return uint64|number
function Session:call(where, ...) end

--- System calls by name, which a thread of the target makes: `syscall.getpid()`. Arguments as for `call`, whole numbers
--- only, at most six; gives an `int64_t`, -errno as the kernel does. `session.syscall` is that of a session. Leaves
--- registers, stack and signal mask as they were. What hooks wait for system calls do not see these.
---
--- Errors: a name that x86-64 does not have, with the nearest; EBUSY and ENOTSUP as for `call`.
---
--- ```lua
--- assert(syscall.getpid() == process.pid)
--- assert(syscall.close(1000) == -E.EBADF)
--- ```
---@type table<string, fun(...: int|string|ffi.cdata*): int64>
syscall = {}

--- ```lua
--- mem.alloc(4096, "rx", { near = sym "main", keep = true })
--- ```
--- Options of `mem.alloc`.
---@class AllocOptions
---@field near? int an address: the memory lies within 1 GiB of it, so that jumps of 32 bits reach
---@field keep? boolean default false: it stays when the target is let go

--- Maps n bytes in the target, rounded up to whole pages: zeroes, which can be read and written unless `prot` says
--- otherwise. Unmapped when the target is let go, unless it is to be kept, or a thread runs there.
---
--- Errors: ENOMEM; a seccomp filter in the target, which may forbid it; no or a negative size; another `prot`.
---
--- ```lua
--- local p = mem.alloc(64)
--- mem.write(p, "hello")
--- local code = mem.alloc(64, "rwx")
--- mem.write(code, asm "lea rax, [rdi+rsi]; ret":bytes(code))
--- assert(call(code, 40, 2) == 42)
--- ```
---@param n integer bytes
---@param prot? "r"|"rw"|"rx"|"rwx" default "rw"
---@param options? AllocOptions
---@return uint64
function mem.alloc(n, prot, options) end

--- Unmaps what `mem.alloc` gave, whole.
---
--- Errors: an address that it did not give, or that was freed.
---
--- ```lua
--- local p = mem.alloc(64)
--- mem.free(p)
--- ```
---@param addr int
function mem.free(addr) end

--- What may be done with the pages that these bytes lie in, of any memory of the target.
---
--- Errors: ENOMEM where not all of it is mapped; EACCES where the kernel forbids it.
---
--- ```lua
--- local p = mem.alloc(64)
--- mem.protect(p, 64, "r")
--- ```
---@param addr int
---@param n integer bytes
---@param prot "r"|"rw"|"rx"|"rwx"
function mem.protect(addr, n, prot) end
