---@meta

-- What a target has loaded, and what things in it are called (breakpoint.lua says how the examples run).

--- A file that the target has loaded: its program, a library, the vDSO. A table of its own, as things were when it was
--- made.
---
--- ```lua
--- local program = modules()[1]
--- assert(program.path:find(program.name, 1, true) and program.size > 0)
--- assert(sym "calc" >= program.base and sym "calc" < program.base + program.size)
--- ```
---@class Module
---@field name string the file's name, without its folder; `"[vdso]"`
---@field path string as the dynamic linker has it, else as the kernel has; of a file that was deleted the old one
---@field base uint64 address of the first byte that it loads
---@field size integer bytes from there to the end of what it loads
---@field build_id? string in hexadecimal; nil when it has none

--- The modules of the target: the program first, then in the dynamic linker's order, which is the one in which it looks
--- names up, then what is loaded by other ways. Before the dynamic linker has run it is the program, the linker and the
--- vDSO. Reads no file but the program's.
---
--- Errors: no target, or one that has ended.
---
--- ```lua
--- for _, module in ipairs(modules()) do
---     print(hex(module.base), module.name, module.build_id)
--- end
--- ```
---@return Module[]
function modules() end

--- What an address is called: `"main+0x12"` in the program, `"libc.so.6!puts+0x12"` in a library, `"puts@plt"` in a stub,
--- `"crackme+0x1139"` (the file's own address) where no symbol is, `"0x7f…"` outside of every module. Names of C++ and
--- Rust are demangled. Separate debug files are used: by build-id and `.gnu_debuglink`, under `policy { debug_root = … }`,
--- and `.gnu_debugdata`; one that does not match is not, with one warning.
---
--- Errors: no target, or one that has ended; something that is no address.
---
--- ```lua
--- assert(where(sym "calc") == "calc" and where(sym "calc" + 1) == "calc+0x1" and where(16) == "0x10")
--- ```
---@param addr int
---@return string
function where(addr) end

--- The symbols that a glob matches (`*`, `?`, `[a-z]`), in every module, or in those before a `!`: by module, by address,
--- one entry a name and address. A glob with an `@` at its end, `"*@plt"`, is for the stubs through which a module calls
--- others. C++ names are matched demangled, `"Foo::*"`.
---
--- Errors: no target, or one that has ended; something that is no string.
---
--- ```lua
--- local program = modules()[1].name
--- for _, symbol in ipairs(find_syms(program .. "!calc*")) do
---     assert(symbol.address == sym(symbol.name) and symbol.module == program)
--- end
--- ```
---@param glob string
---@return Symbol[]
function find_syms(glob) end

--- A symbol, as `find_syms` gives it.
---
--- ```lua
--- local symbol = find_syms("calc_add")[1]
--- assert(symbol.address == sym "calc_add" and symbol.size >= 0)
--- ```
---@class Symbol
---@field name string demangled
---@field kind "function"|"ifunc"|"object"|"label" a label is assembly's, of unknown kind
---@field address uint64 of an IFUNC its resolver's
---@field size integer in bytes; 0: not known
---@field module string its module's name
