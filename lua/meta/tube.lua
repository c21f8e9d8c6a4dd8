---@meta

-- Tubes: talking to spawned targets (breakpoint.lua says how the examples run).
--
-- Every verb that has to wait runs the session meanwhile, hooks and all; then every thread stands still again, as after
-- `run()`. What the target writes is taken in whenever any session runs, and what was sent goes out, so neither waits for
-- the other. In a hook a verb of a session that is being run, the hook's own or another of `run{s1, s2}`, waits as `sleep()`
-- does; when no thread of that session runs it needs a time limit. After the end of the target, or when it was let go, a verb waits for whoever has the other
-- end of the pipe now.
--
-- The last argument may be a time limit in seconds. Results that do not come are nil and why: "timeout", "eof" (the end of
-- the file), or "stop" (a hook stopped the run). What came so far is kept for the next verb.

--- One or more of the standard streams of a spawned target: `s.stdin`, `s.stdout` and `s.stderr` are each alone, those that
--- are a pipe or a pty; `s.io` is all of them: what is sent goes to the standard input, and output and error are read in
--- the order in which they came. The four share what came: a byte is read once.
---
--- ```lua
--- local s = spawn { "sh", "-c", "read a; echo $a; echo oops >&2", stdin = "pipe", stdout = "pipe", stderr = "pipe" }
--- s.io:send_line "hello"
--- assert(s.stdout:recv_line() == "hello" and s.stderr:recv_line() == "oops")
--- assert(s:run().code == 0)
--- ```
---@class Tube
---@field name "io"|"stdin"|"stdout"|"stderr"
---@field session Session
local Tube = {}

--- Sends bytes, and waits until the target's pipe or pty has taken all. What it had not taken at the time limit goes out
--- when it reads on.
---
--- Errors: something that is no string or number; a target whose standard input is neither a pipe nor a pty.
---
--- ```lua
--- local s = spawn { "head", "-c", "3", stdin = "pipe", stdout = "pipe" }
--- assert(s.io:send "\1\2\3" and s.io:recv_all() == "\1\2\3")
--- s:run()
--- assert(select(2, s.io:send "more") == "eof")
--- ```
---@param data string|int
---@param timeout? number seconds
---@return true? sent
---@return "timeout"|"eof"|"stop"|nil why "eof": nobody reads it any more
function Tube:send(data, timeout) end

--- The same with a newline behind it.
---
--- ```lua
--- local s = spawn { "cat", stdin = "pipe", stdout = "pipe" }
--- s.io:send_line "one"
--- assert(s.io:recv() == "one\n")
--- ```
---@param data? string|int
---@param timeout? number seconds
---@return true? sent
---@return "timeout"|"eof"|"stop"|nil why
function Tube:send_line(data, timeout) end

--- What has come, as soon as there is something: at most n bytes of it.
---
--- ```lua
--- local s = spawn { "sh", "-c", "printf abc; read x", stdin = "pipe", stdout = "pipe" }
--- assert(s.io:recv(2) == "ab" and s.io:recv() == "c")
--- assert(select(2, s.io:recv(1, 0.01)) == "timeout")
--- s:kill()
--- ```
---@param n? integer bytes; all there are unless said
---@param timeout? number seconds
---@return string?
---@return "timeout"|"eof"|"stop"|nil why
function Tube:recv(n, timeout) end

--- The next line, without its newline (of a pty: nor the carriage return before it); at the end of the file, what is left.
---
--- ```lua
--- local s = spawn { "printf", "a\\nb", stdout = "pipe" }
--- assert(s.io:recv_line() == "a" and s.io:recv_line() == "b" and s.io:recv_line() == nil)
--- ```
---@param timeout? number seconds
---@return string?
---@return "timeout"|"eof"|"stop"|nil why
function Tube:recv_line(timeout) end

--- Everything through the first occurrence of a text.
---
--- ```lua
--- local s = spawn { "echo", "name: ", stdout = "pipe" }
--- assert(s.io:recv_until ": " == "name: ")
--- s:run()
--- ```
---@param text string not a pattern
---@param timeout? number seconds
---@return string?
---@return "timeout"|"eof"|"stop"|nil why
function Tube:recv_until(text, timeout) end

--- Everything up to the end of the file, which is mostly that of the target.
---
--- ```lua
--- assert(spawn({ "printf", "a\\nb", stdout = "pipe" }).io:recv_all() == "a\nb")
--- ```
---@param timeout? number seconds
---@return string?
---@return "timeout"|"stop"|nil why
function Tube:recv_all(timeout) end

--- Waits until a Lua pattern matches in what has come; gives what string.match would: its captures, or the whole match.
--- Everything through the match is taken. It matches as soon as it can: `"(%d+)\n"` rather than `"(%d+)"`, which may match
--- half a number.
---
--- ```lua
--- local s = spawn { "echo", "leak: 0x7f12!", stdout = "pipe" }
--- assert(s.io:expect "leak: (0x%x+)!" == "0x7f12")
--- s:run()
--- ```
---@param pattern string
---@param timeout? number seconds
---@return any ... captures
---@return "timeout"|"eof"|"stop"|nil why
function Tube:expect(pattern, timeout) end

--- As Lua's file:write: gives the tube, or nil, a message and a number. Never waits: what the pipe does not take at once
--- goes out as the target reads.
---
--- ```lua
--- local s = spawn { "cat", stdin = "pipe", stdout = "pipe" }
--- s.stdin:write("a", 1, "\n"):close()
--- assert(s.stdout:read "a" == "a1\n")
--- ```
---@param ... string|int
---@return Tube?
---@return string?
---@return integer?
function Tube:write(...) end

--- As Lua's file:read: `"l"` (a line, unless said), `"L"` (with its newline), `"a"` (all), or a number: so many bytes, fewer
--- only at the end of the file.
---
--- ```lua
--- local s = spawn { "printf", "a\\nbcd", stdout = "pipe" }
--- local line, two = s.stdout:read("l", 2)
--- assert(line == "a" and two == "bc" and s.stdout:read "a" == "d" and s.stdout:read() == nil)
--- ```
---@param ... "l"|"L"|"a"|integer
---@return string? ...
function Tube:read(...) end

--- As Lua's file:lines.
---
--- ```lua
--- local n = 0
--- for line in spawn({ "printf", "a\\nb\\n", stdout = "pipe" }).stdout:lines() do n = n + #line end
--- assert(n == 2)
--- ```
---@return fun(): string?
function Tube:lines() end

--- For code that takes a file: nothing is held back anyway.
---
--- ```lua
--- spawn({ "cat", stdin = "pipe" }).stdin:flush():close()
--- ```
---@return Tube
function Tube:flush() end

--- `s.stdin:close()`: the target reads the end of the file behind what was sent (of a pty: ^D, which is that at the start
--- of a line). Of the others: no more is read, and a target that writes gets SIGPIPE; `s.io:close()` closes all, which hangs
--- a pty up.
---
--- Errors: the standard input is a raw pty, where no byte means the end.
---
--- ```lua
--- local s = spawn { "cat", stdin = "pipe", stdout = "null" }
--- s.stdin:close()
--- assert(s:run().code == 0)
--- ```
---@return true
function Tube:close() end

--- Logs what this session's tubes send and give, from here on: with true on standard error, into a file (appended), or by a
--- function; false ends it. Lines are `PID > "sent"` and `PID < "received"`.
---
--- ```lua
--- local heard = ""
--- local s = spawn { "echo", "hi", stdout = "pipe" }
--- s.io:log(function(direction, bytes) heard = heard .. direction .. " " .. bytes end)
--- s.io:recv_all()
--- assert(heard == "recv hi\n")
--- ```
---@param to? boolean|string|fun(direction: "send"|"recv", bytes: string) true unless said
function Tube:log(to) end

--- Hands our own terminal to the target until it ends or closes its output: what is typed is sent, what it writes is shown.
--- To a pty each key goes as it is, ^C and ^D too, and it has our terminal's size; to a pipe lines go, and the end of what
--- is typed (^D) closes it.
---
--- Errors: no standard input to send to; the errors of hooks. The terminal is given back in any case.
---
--- ```lua
--- local s = spawn { "true", stdin = "pipe", stdout = "pipe" }
--- assert(s.io:interactive())
--- ```
---@return true?
---@return "stop"|"timeout"|nil why
function Tube:interactive() end
