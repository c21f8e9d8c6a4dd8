---@meta

-- Patches: bytes over code or data of a target (breakpoint.lua says how the examples run).

--- Bytes of a script's in a target. They show in memory and run; breakpoints lie on top of them, whichever came first, and
--- one that a patch makes the middle of an instruction is not hit until that goes. All are taken back when the target is
--- let go, unless `{keep = true}` was said; followed or not, children of a fork have them in their copies of memory, and
--- exec drops them.
---
--- ```lua
--- local p = patch("calc", "\x90\x90\x90")
--- assert(p.address == sym "calc" and p.active and #p.original == 3 and p.session == process.session)
--- ```
---@class Patch
---@field address uint64
---@field original string what stood there before it: of an older patch, where they overlap
---@field active boolean false once it was restored, or its memory or session has ended
---@field session Session

--- ```lua
--- patch("calc", "\x90\x90\x90", { keep = true })
--- ```
--- Options of `patch`, `nop` and `redirect`.
---@class PatchOptions
---@field keep? boolean default false: it stays when the target is let go

--- Puts bytes there, or assembler text (`asm`), made for that place. Read-only text is writable. Patches may overlap, and
--- be restored in any order.
---
--- Errors: no target, or one that has ended; a place that the program does not have, or that is not mapped; bytes that
--- reach over the end of a mapping; a thread (EBUSY) that stands where no instruction would begin; what `asm` says. Nothing
--- is changed then.
---
--- ```lua
--- patch("calc", asm "mov eax, 42; ret")
--- local add = patch("calc_add", "\x0f\xaf\xc6") -- imul eax, esi
--- add:restore()
--- ```
---@param where Where
---@param code string|Asm
---@param options? PatchOptions
---@return Patch
function patch(where, code, options) end

--- What stood there is back; where another patch lies on top, it will be when that goes.
---
--- Errors: it was restored already; its memory is gone; a thread (EBUSY) stands in the middle of what would come back.
---
--- ```lua
--- local p = patch("calc", asm "xor eax, eax; ret")
--- p:restore()
--- assert(not p.active)
--- ```
function Patch:restore() end

--- Makes `n` (default 1) instructions do nothing.
---
--- Errors: as `patch`; bytes that are no instruction; a place in the middle of one (EINVAL).
---
--- ```lua
--- nop "calc_add" -- calc(1, 2) = 1
--- nop("calc", 2)
--- ```
---@param where Where
---@param n? integer
---@param options? PatchOptions
---@return Patch
function nop(where, n, options) end

--- Makes the function there go to another place of the target instead, however far. The first result is the address
--- through which the original can be called: by `call`, or by the code at `to`. The second is the Patch, which takes the
--- redirection back. Threads in the middle of the overwritten bytes (five, and what is left of an instruction) are moved to
--- copies of what they stand before; breakpoints there do not fire any more.
---
--- Errors: as `patch`; a function that ends, calls, or is jumped to within these bytes, or with an instruction there that
--- cannot run elsewhere; a place in the middle of an instruction (EINVAL); a place `to` that cannot be run; a seccomp filter
--- in the target, which may forbid mapping memory.
---
--- ```lua
--- local code = mem.alloc(64, "rwx")
--- mem.write(code, asm "mov eax, edi; imul eax, esi; ret":bytes(code))
--- local original = redirect("calc", code)
--- assert(call("calc", 6, 7) == 42 and call(original, 6, 7) == 13)
--- ```
---@param where Where
---@param to Where
---@param options? PatchOptions
---@return uint64 original
---@return Patch
function redirect(where, to, options) end

--- The bytes there without patches and breakpoints: `n` of them, else as many as a patch at this place has, else those of
--- one instruction.
---
--- Errors: a place that the program does not have; an `Error` (EIO) when it cannot be read.
---
--- ```lua
--- patch("calc", "\x90")
--- assert(original_bytes("calc", 3) == "\x48\x8d\x07")
--- ```
---@param where Where
---@param n? integer
---@return string
function original_bytes(where, n) end

--- Assembler text, in Intel syntax, as `asm` gives it.
---
--- ```lua
--- assert(tostring(asm "ret") == 'asm "ret"')
--- ```
---@class Asm

--- Assembler text for `patch`. Statements are split by `;` or newline, `#` begins a comment. Operands are registers,
--- numbers (`10`, `0x1f`, `'a'`), memory with or without its size (`dword ptr [rax+rcx*4-8]`, `fs:[0x28]`) and names:
--- labels of the text (`again:`), else symbols of the target. A branch's operand is an address. `[name]` and `[rip+name]`
--- are relative to rip where they reach, `[rip+8]` is a displacement. Masks and rounding of AVX-512 cannot be written.
---
--- `code:bytes(address)` gives the bytes that it becomes at an address; names are the current session's.
---
--- Errors, at once where the text stands: the line, what is wrong there, and what would be right. Symbols that the target
--- does not have, and branches that do not reach, when it is put somewhere.
---
--- ```lua
--- local code = asm [[
---     mov ecx, 3
---     xor eax, eax
---     again: add eax, edi
---     dec ecx
---     jnz again           # 3 * edi
---     ret
--- ]]
--- assert(asm "again: jmp again":bytes(0x1000) == "\xeb\xfe")
--- assert(#code:bytes(0x1000) == 14)
--- ```
---@param text string
---@return Asm
function asm(text) end

--- As the global `patch`, for this session.
---
--- ```lua
--- process.session:patch("calc", asm "mov eax, 42; ret")
--- ```
---@param where Where
---@param code string|Asm
---@param options? PatchOptions
---@return Patch
function Session:patch(where, code, options) end

--- As the global `nop`, for this session.
---
--- ```lua
--- process.session:nop("calc", 2)
--- ```
---@param where Where
---@param n? integer
---@param options? PatchOptions
---@return Patch
function Session:nop(where, n, options) end

--- As the global `redirect`, for this session.
---
--- ```lua
--- local s = process.session
--- local code = s.mem.alloc(64, "rwx")
--- s.mem.write(code, asm "xor eax, eax; ret":bytes(code))
--- s:redirect("calc", code)
--- ```
---@param where Where
---@param to Where
---@param options? PatchOptions
---@return uint64 original
---@return Patch
function Session:redirect(where, to, options) end

--- As the global `original_bytes`, for this session.
---
--- ```lua
--- assert(process.session:original_bytes "calc" == "\x48\x8d\x07")
--- ```
---@param where Where
---@param n? integer
---@return string
function Session:original_bytes(where, n) end
