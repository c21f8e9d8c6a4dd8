---@meta

-- Memory (breakpoint.lua says how the examples run).

--- The memory of the target: `mem` is that of the thread whose event is being handled, `session.mem`, `process.mem` and
--- `thread.mem` are those'. It is as the program means it: reads never show our breakpoints' bytes, and writes under a
--- breakpoint change what will be there without it. Read-only memory can be written, text too.
---
--- Errors of everything here: the target has ended; an address, a size or a value that is none (a string names the
--- function and the argument); memory that is not there (an `Error`, whose `addr` is the first bad address and whose
--- `done` the number of good bytes before it).
---
--- ```lua
--- local at = regs.rsp - 256
--- mem.u32[at] = -1
--- assert(mem.u32[at] == 0xffffffff and mem.i32[at] == -1 and mem.u8[at + 3] == 0xff)
--- mem.u64[at] = sym "calc"
--- assert(mem.ptr[at] == sym "calc")
--- mem.f64[at] = 0.5
--- assert(mem.f64[at] == 0.5)
--- ```
---@class Memory
---@field u8 table<int, integer> `mem.u8[addr]` reads, `mem.u8[addr] = value` writes; values of either sign that fit
---@field u16 table<int, integer>
---@field u32 table<int, integer>
---@field u64 table<int, uint64>
---@field i8 table<int, integer>
---@field i16 table<int, integer>
---@field i32 table<int, integer>
---@field i64 table<int, int64>
---@field f32 table<int, number> a NaN is LuaJIT's own NaN, whatever bits it has there
---@field f64 table<int, number>
---@field ptr table<int, uint64>
mem = {}

--- n bytes.
---
--- Errors: as for all of `mem`.
---
--- ```lua
--- assert(#mem.read(regs.rip, 16) == 16)
--- local ok, err = pcall(mem.read, 8, 16)
--- assert(not ok and err.addr == 8 and err.done == 0)
--- ```
---@param addr int
---@param n integer bytes, bounded by memory only
---@return string
function mem.read(addr, n) end

--- As `read`, but gives nil and the `Error` when memory is not there.
---
--- ```lua
--- local bytes, err = mem.try_read(8, 16)
--- assert(bytes == nil and err.name == "EIO")
--- ```
---@param addr int
---@param n integer bytes
---@return string? bytes
---@return Error? err
function mem.try_read(addr, n) end

--- Writes the bytes of a string. When it fails, what came before the bad address may have been written.
---
--- ```lua
--- mem.write(regs.rsp - 64, "hello\0")
--- assert(mem.cstr(regs.rsp - 64) == "hello")
--- ```
---@param addr int
---@param bytes string
function mem.write(addr, bytes) end

--- A C string, without its zero byte.
---
--- Errors: no zero byte before memory ends, or max bytes are over (as for all of `mem`).
---
--- ```lua
--- mem.write(regs.rsp - 64, "hello\0")
--- assert(mem.cstr(regs.rsp - 64) == "hello" and mem.cstr(regs.rsp - 64, 4) == "hell")
--- ```
---@param addr int
---@param max? integer bytes after which it is over without a zero byte
---@return string
function mem.cstr(addr, max) end

--- As `cstr`, but gives nil and the `Error` when memory is not there.
---
--- ```lua
--- bp("calc", function() print(mem.try_cstr(regs.rdi) or "no string") end)
--- ```
---@param addr int
---@param max? integer bytes
---@return string? text
---@return Error? err
function mem.try_cstr(addr, max) end

--- A copy of one object of a C type (LuaJIT's ffi). A struct, a union or an array is cdata of its own, which `mem.put`
--- writes back; a number, an enum or a pointer is a value. A pointer in it is an address of the target: hand it to `mem`;
--- whoever follows it as a pointer crashes the tracer.
---
--- A double or float that is a NaN with the sign bit becomes LuaJIT's own NaN, since LuaJIT would take the target's bits
--- for values of other kinds; in a union with a float, integers that look so change with it. (Casting bytes of
--- `mem.read` to a pointer to double does not have this protection: use `mem.f64` and copies.)
---
--- Errors: something that is no C type, or one that has no size (`void`, `int[?]`, a struct that was only declared).
---
--- ```lua
--- local ffi = require "ffi"
--- ffi.cdef "struct example { int32_t count; double weight; const char *name; };"
--- mem.put(regs.rsp - 256, ffi.new("struct example", 3, 0.5))
--- local e = mem.struct("struct example", regs.rsp - 256)
--- assert(e.count == 3 and e.weight == 0.5 and e.name == nil)
--- assert(mem.struct("int32_t", regs.rsp - 256) == 3)
--- ```
---@param ctype string|ffi.ctype*
---@param addr int
---@return any
function mem.struct(ctype, addr) end

--- A copy of n objects of a C type, as an array that counts from 0. NaNs as in `struct`.
---
--- Errors: as `struct`; more than 2 GiB.
---
--- ```lua
--- local words = mem.array("uint16_t", regs.rip, 4)
--- assert(words[0] == mem.u16[regs.rip] and words[3] == mem.u16[regs.rip + 6])
--- ```
---@param ctype string|ffi.ctype*
---@param addr int
---@param n integer elements
---@return ffi.cdata*
function mem.array(ctype, addr, n) end

--- Writes the bytes of an object of the ffi: a struct, an array, a boxed number.
---
--- Errors: something that is no cdata.
---
--- ```lua
--- local ffi = require "ffi"
--- mem.put(regs.rsp - 64, ffi.new("uint16_t[2]", { 1, 2 }))
--- assert(mem.u32[regs.rsp - 64] == 0x20001)
--- ```
---@param addr int
---@param object ffi.cdata*
function mem.put(addr, object) end

--- Where to look: `{start, stop}` (stop excluded), an entry of `maps()`, or a module's name (`"libc"`, its named
--- mappings). What is not mapped is passed over.
---
--- ```lua
--- local stack
--- for _, entry in ipairs(mem.maps()) do
---     if entry.path == "[stack]" then stack = entry end
--- end
--- assert(mem.find("\0", stack) and mem.find("\127ELF", "calc_pie") and mem.find("\0", { regs.rsp, regs.rsp + 4096 }))
--- ```
---@alias Range {[1]: int, [2]: int}|Mapping|string

--- Options of `find` and `find_all`.
---
--- ```lua
--- mem.write(regs.rsp - 64, "de ad")
--- assert(mem.find("de ad", { regs.rsp - 64, regs.rsp }, { text = true }) == regs.rsp - 64)
--- ```
---@class FindOptions
---@field text? boolean true: the pattern is bytes, whatever it looks like

--- The first address at which a pattern stands, or nil. A string made only of two or more two-digit hex numbers or `??`
--- with single spaces between them is a pattern (`"48 8b ?? c3"`), anything else is bytes. Without a range, everything
--- that is readable. Options may stand in the range's place.
---
--- Errors: an empty pattern, a range that is none or a module that is not there, a wrong option.
---
--- ```lua
--- mem.write(regs.rsp - 64, "\x12\x34\x56")
--- local range = { regs.rsp - 128, regs.rsp }
--- assert(mem.find("12 ?? 56", range) == regs.rsp - 64 and mem.find("\x12\x34", range) == regs.rsp - 64)
--- assert(mem.find("12 99", range) == nil)
--- ```
---@param pattern string
---@param range? Range
---@param options? FindOptions
---@return uint64?
function mem.find(pattern, range, options) end

--- All addresses at which a pattern stands, overlapping ones too, from the lowest; an empty list when there is none.
---
--- Errors: as `find`.
---
--- ```lua
--- mem.write(regs.rsp - 64, "aaa")
--- assert(#mem.find_all("aa", { regs.rsp - 64, regs.rsp - 61 }) == 2)
--- ```
---@param pattern string
---@param range? Range
---@param options? FindOptions
---@return uint64[]
function mem.find_all(pattern, range, options) end

--- One mapping, as in /proc/PID/maps.
---
--- ```lua
--- local entry = mem.maps()[1]
--- assert(entry.start < entry.stop and #entry.perms == 4 and entry.offset >= 0 and type(entry.path) == "string")
--- ```
---@class Mapping
---@field start uint64
---@field stop uint64 the first address behind it
---@field perms string `"r-xp"`
---@field offset uint64 in the file, in bytes
---@field path string the file, or `"[stack]"` and the like, or `""`

--- What is mapped, from the lowest address.
---
--- ```lua
--- for _, entry in ipairs(mem.maps()) do
---     print(hex(entry.start), hex(entry.stop), entry.perms, entry.path)
--- end
--- ```
---@return Mapping[]
function mem.maps() end

--- `n` words (default 8) from there, each followed as the address that it may be: through up to eight pointers, until one
--- leads to text, code, or nowhere. `print` shows a line for each.
---
--- Errors: as for all of `mem`.
---
--- ```lua
--- print(mem.telescope(regs.rsp, 3))
--- local argv0 = mem.telescope(regs.rsp + 8, 1)[1]
--- assert(argv0.value == mem.u64[regs.rsp + 8] and argv0.chain[1].text:find "calc")
--- ```
---@param addr int
---@param n? integer
---@return Telescope
function mem.telescope(addr, n) end

--- What `mem.telescope` gives: a list, with a text of its own.
---
--- ```lua
--- for _, line in ipairs(mem.telescope(regs.rsp, 2)) do print(line.address, line.value, #line.chain) end
--- ```
---@class Telescope
---@field [integer] TelescopeLine

--- One word of memory and where it leads.
---
--- ```lua
--- local line = mem.telescope(regs.rsp + 8, 1)[1]
--- assert(line.address == regs.rsp + 8 and line.chain[1].address == line.value and not line.last)
--- ```
---@class TelescopeLine
---@field address uint64
---@field value uint64 the word there
---@field chain {address: uint64, perms: string, path: string, symbol: string?, text: string?}[] the value, what stands where
---it points, and so on, as long as that is an address of mapped memory; empty: the value is none
---@field last? uint64 the word that ended the chain by being no address

--- Words in memory that point into a range: aligned ones, in all that is readable, or in `where`.
---
--- Errors: as `mem.find`.
---
--- ```lua
--- local text = mem.u64[regs.rsp + 8] -- argv[0]
--- local found = mem.find_pointers({ text, text + 1 }, "[stack]")
--- assert(#found >= 1 and found[1].value == text)
--- ```
---@param range int|Range one address, or what `mem.find` takes
---@param where? Range
---@return {address: uint64, value: uint64}[]
function mem.find_pointers(range, where) end

--- n bytes as text: lines of an address, sixteen bytes in hex, and the same as characters.
---
--- Errors: as for all of `mem`.
---
--- ```lua
--- print(mem.hexdump(regs.rsp, 64))
--- ```
---@param addr int
---@param n integer bytes
---@return string
function mem.hexdump(addr, n) end

--- The same as `mem.hexdump`.
---
--- ```lua
--- mem.write(regs.rsp - 64, "hello")
--- assert(hexdump(regs.rsp - 64, 5):find "68 65 6c 6c 6f .*|hello|")
--- ```
---@param addr int
---@param n integer bytes
---@return string
function hexdump(addr, n) end
