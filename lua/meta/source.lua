---@meta

-- What debug information tells of a stopped thread (breakpoint.lua says how the examples run).

--- A frame of a backtrace. Where it names a function of the program's own source, that is as GDB names it.
---
--- ```lua
--- bp("calc", function()
---     local frame = backtrace()[2]
---     assert(frame.module == "calc_pie" and frame.symbol == "show" and frame.file == "calc.c" and frame.line > 10)
---     assert(frame.address - frame.offset == sym "show")
--- end)
--- ```
---@class Frame
---@field address uint64 the frame's next instruction: in the first one rip, in callers where they are returned to
---@field module? string the file's name; nil: it is in none (memory that the program made itself)
---@field symbol? string the function, demangled; nil: nobody knows
---@field offset integer bytes from the function's beginning, or without one from the file's own address 0
---@field file? string as DWARF records it
---@field line? integer
---@field main? true it is in the program itself, and not in a library
---@field inlined? true the function is inlined into the next frame's; it has that one's address
---@field signal? true a signal interrupted the next frame here
---@field jumped? true it ended in a jump to the frame before it (a tail call), so that nothing of it is on the stack

--- Who called whom, in the thread that the globals mean or in another stopped one: the innermost function first. By call
--- frame information (.eh_frame, .debug_frame) through libraries without frame pointers, signal handlers, the vDSO and
--- PLT stubs; by frame pointers, or by the return address on top of the stack, in code that has none. It ends at the
--- function that nobody called, and where the stack makes no sense any more; after 65536 frames in any case.
---
--- Inlined functions are frames of their own, as in GDB: at the very first instruction of an inlined call the thread
--- is still in the caller, unless a breakpoint on a line of the inlined function has stopped it there. Functions that ended
--- in a jump are shown where debug information leaves no doubt which they were.
---
--- Errors: something that is no Thread; the thread runs (an `Error`, EBUSY) or has ended.
---
--- ```lua
--- bp("calc", function(t)
---     local frames = backtrace()
---     assert(frames[1].symbol == "calc" and frames[2].symbol == "show" and frames[3].symbol == "main")
---     assert(#backtrace(t) == #frames and #t:backtrace() == #frames)
--- end)
--- ```
---@param thread? Thread
---@return Frame[]
function backtrace(thread) end

--- Prints `backtrace(thread)`, a frame a line, the program's own functions without their module:
---
---     #0   0x55d56e8f0261 calc at calc.S:10
---     #1   0x55d56e8f017b show+0x12 at calc.c:13
---     #3   0x7f360d88a24a libc.so.6!__libc_start_call_main+0x7a
---
--- Errors: as for `backtrace`.
---
--- ```lua
--- bp("calc", function() bt() end)
--- ```
---@param thread? Thread
function bt(thread) end

--- The source of an address: the file as DWARF records it (relative to where the compiler ran, or absolute), and the line,
--- as addr2line gives it. Nothing when no debug information knows, or the compiler made the code itself.
---
--- Errors: something that is no address; no target.
---
--- ```lua
--- local file, n = line(sym "main")
--- assert(file == "calc.c" and n > 10)
--- assert(line(8) == nil)
--- ```
---@param addr int
---@return string? file
---@return integer? line
function line(addr) end

--- The parameters of the function in which the thread stands, by name; it prints in the source's order. Values are as
--- those of `mem.as`: integers, numbers, enumerators' names, pointers that lead on, structures that are read when they are
--- asked for. In a function's prologue they are found by the calling convention, so that a breakpoint on a function has
--- them. What the compiler has not kept is the string `"<optimized out>"`.
---
--- Errors: no debug information describes the function (an `Error`); a name that it does not have, with the nearest; the
--- thread runs or has ended.
---
--- ```lua
--- bp("show", function()
---     local a = args()
---     assert(a.a == 1 or a.a == 4)
---     print(a)
--- end)
--- ```
---@return table<string, any>
function args() end

--- The variables of the function in which the thread stands that are in scope there, by name; of several of one name the
--- innermost. Otherwise as `args`. A variable whose line has not run yet holds whatever is there.
---
--- Errors: as for `args`.
---
--- ```lua
--- bp("calc.c:23", function()
---     assert(locals().i ~= nil)
---     return REMOVE
--- end)
--- ```
---@return table<string, any>
function locals() end

--- What is at an address, by a type of the program's debug information: `"struct task"`, `"task_t"`, `"unsigned long"`,
--- `"enum state"`, `"ns::Box<int>"`, with `*` or `[4]` behind it. The module in which the thread stands is asked first,
--- then the program, then the others; `"libfoo!struct task"` asks one.
---
--- A structure, a union or an array is an object that keeps no copy: its fields and elements (from 0) read and write the
--- target when they are used. Members of members without a name, and of C++'s bases, are its own. `print` shows it
--- whole, `#` counts an array's elements, `object["&"]` is its address. A field is
---
--- - a Lua number, or a uint64_t or int64_t when it has 64 bits; so are bit-fields
--- - `true` or `false`; an enumerator's name, or the number when none has it
--- - the text of an array of `char`, up to its zero byte
--- - a pointer: `p.field` and `p[n]` read and write what it leads to, `p + n` goes on by elements, `p == nil` and `p == 0`
---   hold for NULL; every function takes it as an address
--- - an object again
---
--- Written is a value of the field's kind; a structure takes an object of its type, or a table of fields, an array a
--- list (from 1, as lists are), `char` arrays a string.
---
--- Errors: no such type, with the nearest; a name that is no field of it, with the nearest; an index outside; a value
--- that does not fit; memory that is not there (an `Error`).
---
--- ```lua
--- mem.u32[regs.rsp - 64] = 5
--- assert(mem.as("int", regs.rsp - 64) == 5)
--- local list = mem.as("int[4]", regs.rsp - 64)
--- list[1] = 7
--- assert(mem.u32[regs.rsp - 60] == 7 and #list == 4)
--- assert(not pcall(mem.as, "struct nobody", regs.rsp))
--- ```
---@param ctype string
---@param addr int
---@return any
function mem.as(ctype, addr) end

--- `backtrace`, of the session's thread that stopped last, or of another one.
---
--- Errors: as for `backtrace`.
---
--- ```lua
--- local s = process.session
--- assert(#s:backtrace() >= 1)
--- ```
---@param thread? Thread
---@return Frame[]
function Session:backtrace(thread) end

--- Prints `session:backtrace(thread)`.
---
--- Errors: as for `backtrace`.
---
--- ```lua
--- process.session:bt()
--- ```
---@param thread? Thread
function Session:bt(thread) end

--- `line`, in the session's target.
---
--- Errors: as for `line`.
---
--- ```lua
--- local s = process.session
--- assert(s:line(s:sym "main") == "calc.c")
--- ```
---@param addr int
---@return string? file
---@return integer? line
function Session:line(addr) end

--- `args`, of the session's thread that stopped last.
---
--- Errors: as for `args`.
---
--- ```lua
--- bp("main", STOP)
--- run()
--- assert(process.session:args().argc >= 1)
--- ```
---@return table<string, any>
function Session:args() end

--- `locals`, of the session's thread that stopped last.
---
--- Errors: as for `args`.
---
--- ```lua
--- bp("main", STOP)
--- run()
--- assert(type(process.session:locals()) == "table")
--- ```
---@return table<string, any>
function Session:locals() end

--- `backtrace(thread)`.
---
--- Errors: as for `backtrace`; called without a colon.
---
--- ```lua
--- assert(#thread:backtrace() >= 1)
--- ```
---@return Frame[]
function Thread:backtrace() end
