---@meta

-- Disassembly (breakpoint.lua says how the examples run).

--- One instruction of a target.
---
--- ```lua
--- local insn = insns("calc", 1)[1]
--- assert(insn.size == 3 and insn.text == "lea rax, [rdi]" and insn.flow == nil)
--- ```
---@class Insn
---@field address uint64
---@field size integer in bytes
---@field text string "(bad)", of one byte, where no instruction begins
---@field flow? "jump"|"branch"|"call"|"return" how it goes on; a branch may fall through; nil: with the next one
---@field target? uint64 where a direct branch leads

--- ```lua
--- assert(insns("calc", 1, { syntax = "att" })[1].text == "lea (%rdi), %rax")
--- ```
--- Options of `insns`.
---@class InsnsOptions
---@field syntax? "intel"|"att" default "intel"
---@field symbols? boolean default true: the names of what branches and RIP-relative operands mean

--- ```lua
--- print(disasm("calc", 3, { bytes = true, symbols = false }))
--- ```
--- Options of `disasm`.
---@class DisasmOptions
---@field syntax? "intel"|"att" default "intel"
---@field symbols? boolean default true: names of the lines' own addresses, and of what branches and operands mean
---@field bytes? boolean default false: the instructions' bytes as well

--- The next `n` (default 10) instructions at `where` (default: where the thread stands), as the program means them:
--- breakpoints do not show. Fewer when what is mapped ends before.
---
--- Errors: no target, or one that has ended; a place that the program does not have; an `Error` (EIO) when the first byte
--- cannot be read; a negative or fractional count; an option that is not there.
---
--- ```lua
--- local list = insns("calc", 3)
--- assert(list[3].text == "ret" and list[3].flow == "return")
--- ```
---@param where? Where
---@param n? integer
---@param options? InsnsOptions
---@return Insn[]
function insns(where, n, options) end

--- The same as text, one instruction a line: its address, its symbol, the instruction. `*` in front marks an enabled
--- breakpoint, `=>` the next instruction of the thread.
---
---     *=> 0x55cc52389261 <calc>      lea rax, [rdi]
---         0x55cc52389264 <calc+0x3>  add rax, rsi
---
--- Errors: as `insns`.
---
--- ```lua
--- bp("calc", function() print(disasm(nil, 3)) end)
--- ```
---@param where? Where
---@param n? integer
---@param options? DisasmOptions
---@return string
function disasm(where, n, options) end
