---@meta

-- The library coverage, require "coverage" (breakpoint.lua says how the examples run).

local coverage = {}

--- Options of `coverage.start`.
---
--- ```lua
--- local coverage = require "coverage"
--- local seen = coverage.start { module = process.path:match "[^/]+$", functions = "c*" }
--- run()
--- assert(seen:summary().functions_ran >= 1)
--- ```
---@class CoverageOptions
---@field module? string its name, as in places; one that is not loaded yet is waited for; default: the main program
---@field functions? string a glob; default "*"
---@field blocks? boolean basic blocks as well; default false
---@field session? Session default: the current one

--- Puts a breakpoint at each function, or basic block, which is gone after its first hit. An exec ends it.
---
--- Errors: no target; a module without function symbols, or without one that the glob matches; an option that is not
--- there.
---
--- ```lua
--- local seen = require("coverage").start { functions = "calc" }
--- run()
--- assert(seen:list()[1].name == "calc" and seen:list()[1].ran == 1)
--- ```
---@param options? CoverageOptions
---@return Coverage
function coverage.start(options) end

--- What `coverage.start` gives.
---
--- ```lua
--- local seen = require("coverage").start()
--- run()
--- print(seen:report())
--- ```
---@class Coverage
---@field module? Module nil until it is loaded
local Coverage = {}

--- Takes the breakpoints out that are left; what ran stays known.
---
--- ```lua
--- local seen = require("coverage").start()
--- seen:stop()
--- assert(#bps() == 0)
--- ```
function Coverage:stop() end

--- Each function: its blocks that ran, and all of them (1 without blocks).
---
--- ```lua
--- for _, fn in ipairs(require("coverage").start():list()) do
---     print(hex(fn.address), fn.size, fn.ran, fn.total, fn.name)
--- end
--- ```
---@return {name: string, address: uint64, size: integer, ran: integer, total: integer}[]
function Coverage:list() end

--- Counts of all.
---
--- ```lua
--- local sum = require("coverage").start():summary()
--- assert(sum.functions > 0 and sum.functions_ran == 0 and sum.blocks >= sum.blocks_ran)
--- ```
---@return {functions: integer, functions_ran: integer, blocks: integer, blocks_ran: integer}
function Coverage:summary() end

--- The counts as a line of text, and a line for each function that ran; with `missed` for each that did not run whole.
---
--- ```lua
--- print(require("coverage").start():report(true))
--- ```
---@param missed? boolean
---@return string
function Coverage:report(missed) end

--- What ran, as the contents of a drcov file (version 2), which disassemblers' coverage plug-ins load.
---
--- ```lua
--- assert(require("coverage").start():drcov():find "^DRCOV VERSION: 2\n")
--- ```
---@return string
function Coverage:drcov() end

--- The same into a file.
---
--- Errors: it cannot be written.
---
--- ```lua
--- require("coverage").start():write "/dev/null"
--- ```
---@param path string
function Coverage:write(path) end
