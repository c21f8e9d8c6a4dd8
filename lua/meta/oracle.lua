---@meta

-- The library oracle, require "oracle" (breakpoint.lua says how the examples run).

local oracle = {}

--- What all solvers are told.
---
--- ```lua
--- local oracle = require "oracle"
--- local options = {
---     program = { process.path, "1", "2" }, input = "argv",
---     score = { output = "3" }, timeout = 5, progress = "none",
--- }
--- options.candidates = { "1", "2" }
--- assert(oracle.search(options).tries == 2)
--- ```
---@class OracleOptions
---@field program string|string[] the program and its arguments; with `input = "argv"` or `"file"`, `@@` in an argument is replaced by the guess or the file's name, which else come last
---@field input? "stdin"|"argv"|"file"|"env"|"memory" where the guess goes; default `"stdin"`; `"memory"` (with a snapshot): written to `buffer`
---@field variable? string with `input = "env"`: the variable's name
---@field file? string with `input = "file"`: the name that the program opens by itself; default: a file in memory, named among its arguments
---@field snapshot? Where the program runs to this place once, and each guess starts there (`Snap`); default: each guess is a run of its own
---@field buffer? string|uint64|fun(session: Session): uint64 with `input = "memory"`: the register that points to the guess at the snapshot's place, or a place; default `"rdi"`, a function's first argument
---@field stop? Where|"return"|"end" where a run is over: a place; with a snapshot, `"return"` is where the function returns at whose first instruction it was taken (the default there); `"end"` is where the program would end, where a run is over in any case
---@field score? Where|table|fun(run: OracleRun): number how far a run got: hits of a place, or one of `{hits = place}`, `{depth = function}` (how far down the last basic block that ran is), `{blocks = function}`, `{instructions = function}` (how many ran), `{output = true}` (bytes printed), `{output = pattern}` (matches), `{status = true}` (the exit status), `{time = true}` (seconds), or a function; ranges without a symbol are `{from, to}`; default: nothing but how runs end
---@field done? Where|fun(run: OracleRun): boolean what says that a guess is all of it: a place that is passed, or a function; default: runs end, or print, otherwise than all others
---@field setup? fun(session: Session) called for each new session, at its first instruction: hooks that a run needs, such as those of `bypass`
---@field output? boolean whether what the target prints is kept and compared; default: when there is no score, or one that may ask for it
---@field timeout? number seconds after which a run is ended, and counts as it stands; default 10
---@field repeats? integer runs of each candidate, for targets that are not the same each time; default 1
---@field combine? "majority"|"median"|"min"|"max"|"mean" how the scores of those become one; default `"majority"`
---@field jobs? integer worker processes; default 1. They are forks: functions see variables as they were, and what they change stays there
---@field shard? string|integer[] `"k/n"`: of the first position's candidates (all of a search), each nth from the kth on
---@field state? string a file that keeps the search, from which it goes on the next time; written every second, and when a unit is found
---@field progress? "bar"|"plain"|"none" default: a bar where standard error is a terminal, else a line every ten seconds
---@field prefix? string what is known of the secret's beginning
---@field suffix? string what is known of its end
---@field ending? string what is put behind a guess, and is no part of it; default: a newline on stdin, a zero byte in memory
---@field spawn? table more options for `spawn`: env, clear_env, cwd, argv0, limits, stdin, stdout, stderr, follow
---@field aslr? boolean default false: addresses are the same in each run

--- Options of `oracle.bytes`, on top of `OracleOptions`.
---
--- ```lua
--- local r = require("oracle").bytes {
---     program = process.path, input = "argv", length = 1, alphabet = require("oracle").alphabets.digits,
---     score = function(run) return run.output:find "7" and 1 or 0 end, progress = "none",
--- }
--- assert(r.tries == 10)
--- ```
---@class BytesOptions: OracleOptions
---@field length? integer|integer[] bytes of the whole secret, prefix and suffix included; `{from, to}`: the one that stands out is found first; default: it grows until nothing does better
---@field alphabet? string the characters that are tried; default: printable ASCII; `oracle.alphabets` has more
---@field pad? string fills a guess up to the length; default: a character outside the alphabet
---@field backward? boolean from the last byte to the first
---@field eager? boolean takes the first candidate that beats the last position's, half the work; default false: all are tried
---@field ties? "stop"|"first"|"follow" when several are best: give up (default), take the first, or look one position ahead
---@field max? integer gives up beyond so many bytes; default 1024

--- Options of `oracle.blocks`, on top of `BytesOptions`.
---
--- ```lua
--- local ok, message = pcall(require("oracle").blocks, { program = "true", n = 8, length = 12 })
--- assert(not ok and message:find "no whole number of blocks")
--- ```
---@class BlocksOptions: BytesOptions
---@field n integer bytes of a block
---@field candidates? string[] the blocks that are tried; default: all texts of n characters of the alphabet

--- Options of `oracle.search`, on top of `OracleOptions`.
---
--- ```lua
--- local n = 0
--- local function numbers()
---     n = n + 1
---     return n <= 20 and n or nil
--- end
--- local r = require("oracle").search {
---     program = { process.path, "40" }, input = "argv", candidates = numbers, progress = "none",
---     done = function(run) return run.output:find "= 42\n" end,
--- }
--- assert(r.found == "2" and r.complete and r.tries == 2)
--- ```
---@class SearchOptions: OracleOptions
---@field candidates string[]|fun(): string|integer|nil a list, or an iterator

--- One run, as scores and `done` get it: one table, filled anew each time.
---
--- ```lua
--- require("oracle").search {
---     program = process.path, candidates = { "x" }, progress = "none",
---     done = function(run) return run.kind == "exit" and run.code == 0 and run.guess == "x\n" end,
--- }
--- ```
---@class OracleRun
---@field guess string all that was put in
---@field session Session
---@field kind "exit"|"signal"|"timeout"|"stop"|"return" how it ended
---@field code? integer the exit status; after `"return"` the result's low byte
---@field ret? uint64 after `"return"`: the result
---@field signal? string
---@field seconds number
---@field output string what it printed, 64 KiB of it at most
---@field errors string the same of its standard error

--- What solvers give.
---
--- ```lua
--- local r = require("oracle").search { program = process.path, candidates = { "x", "y" }, progress = "none" }
--- assert(r.found == "" and not r.complete and r.why:find "stands out" and r.stuck[1][1] == "x")
--- ```
---@class OracleResult
---@field found string the secret; when it is not complete, the longest beginning (backward: end) that holds
---@field complete boolean whether it is all
---@field why? string why there is no more: where it got stuck, with the scores
---@field stuck? table[] {candidate, score} of the position where it got stuck, 256 of them at most
---@field tries integer runs
---@field seconds number
---@field scores number[] of each unit that was found
---@field length? integer where it was known
---@field method "spawn"|"snapshot"
---@field program string[]
---@field input string
---@field snapshot? string
---@field jobs integer
local OracleResult = {}

--- The result as JSON. Bytes above 127 are the characters U+0080 to U+00FF.
---
--- ```lua
--- print(require("oracle").search({ program = process.path, candidates = { "x" }, progress = "none" }):json())
--- ```
---@return string
function OracleResult:json() end

--- Finds a secret byte after byte: of all candidates for a byte the one is right whose run gets furthest.
---
--- Errors: options that are wrong, or do not go together; a program that cannot be run; a place that is not there, or where
--- the program never comes; a state file that cannot be written, or belongs to another search; an error in a function of
--- the script's. A secret that is not found is none: `why` says where it got stuck.
---
--- ```lua
--- local r = require("oracle").bytes {
---     program = { process.path, "4@@", "0" }, input = "argv", alphabet = "0123456789", length = 1, progress = "none",
---     done = function(run) return run.output:find "%(42, " end,
--- }
--- assert(r.found == "2" and r.complete)
--- ```
---@param options BytesOptions
---@return OracleResult
function oracle.bytes(options) end

--- The same, n bytes at a time, for what is compared in blocks.
---
--- ```lua
--- local r = require("oracle").blocks {
---     program = { process.path, "@@", "0" }, input = "argv", n = 2, alphabet = "012345", length = 2, progress = "none",
---     done = function(run) return run.output:find "%(42, " end,
--- }
--- assert(r.found == "42" and r.complete)
--- ```
---@param options BlocksOptions
---@return OracleResult
function oracle.blocks(options) end

--- Tries candidates one after another, until one is done; else the one that stands out is found.
---
--- ```lua
--- local r = require("oracle").search {
---     program = { process.path, "@@", "0" }, input = "argv", candidates = { "1", "2", "3" }, progress = "none",
---     score = { output = "%(2, " },
--- }
--- assert(r.found == "2" and r.scores[1] == 1)
--- ```
---@param options SearchOptions
---@return OracleResult
function oracle.search(options) end

--- Alphabets by name: printable, alnum, lower, upper, digits, hex (small letters), any (all 256 bytes).
---
--- ```lua
--- assert(require("oracle").alphabets.hex == "0123456789abcdef")
--- ```
---@type table<string, string>
oracle.alphabets = {}
