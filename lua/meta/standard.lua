---@meta

-- What ptracehook changes in Lua's own library (breakpoint.lua says how the examples run). 64-bit integers in string.format,
-- tostring, `..`, io.write, file:write and bit are described at `uint64` (number.lua).

--- As Lua's, but raises when nobody takes the output: a script that prints into a pipe that was closed ends.
---
--- ```lua
--- print("rip is", regs.rip, hex(regs.rip))
--- ```
---@param ... any
function print(...) end

--- Ends ptracehook with this status, 0 to 255; true, and nothing, are 0, false is 1. Spawned targets are killed and
--- attached ones let go first.
---
--- Errors: a status that is no whole number.
---
--- ```lua
--- bp("main", function()
---     if regs.rdi > 1000 then os.exit(1) end
--- end)
--- assert(not pcall(os.exit, "1"))
--- ```
---@param status? boolean|integer
function os.exit(status) end
