-- oracle.runner - one guess after the other, each in a run of the program: run(guess) -> score, status, output, done.
--
-- The run that scores and the user's functions are given is one table for all, filled anew each time.

local core = require "ptracehook.core"
local api = require "ptracehook"
local check = require "ptracehook.check"
local Score = require "oracle.score"
local sys = require "oracle.sys"

local M = {}

local clock = core.clock
local OUTPUT = 65536 -- so much of what a target prints is looked at

-- ---- Input and output

-- The words of the program, with "@@" among them replaced by `text`; at the end when there is none.
local function words_with(words, text)
	local list, placed = {}, false
	for i, word in ipairs(words) do
		list[i] = word
		if i > 1 and word:find("@@", 1, true) then
			list[i] = word:gsub("@@", (text:gsub("%%", "%%%%")))
			placed = true
		end
	end
	if not placed then
		list[#list + 1] = text
	end
	return list
end

local function file_or_fail(path)
	local file, why = sys.file(path)
	if not file then
		check.fail("oracle: input: %s: %s", path or "a file in memory", why)
	end
	return file
end

local function put(file, text)
	local ok, why = file:set(text)
	if not ok then
		check.fail("oracle: input: %s: %s", file.path, why)
	end
end

-- Options of spawn, and feed(guess), which makes them, or the file that the target reads, say the guess.
local function prepare(set, self)
	-- A program that the guess is written into asks for a line first, most likely.
	local line = set.input == "memory" and { data = ("A"):rep(set.length or 16) .. "\n" }
	local options = { stdin = line or "null", stdout = "null", stderr = "null", aslr = set.aslr }
	for name, value in pairs(set.spawn) do
		options[name] = value
	end
	local function use(words)
		for i = 1, #words do
			options[i] = words[i]
		end
	end
	use(set.program)
	if self.wants_output then
		self.out, self.err = file_or_fail(), file_or_fail()
		options.stdout, options.stderr = { file = self.out.path }, { file = self.err.path }
	end
	local feed
	if set.input == "stdin" or set.input == "file" then
		local file = file_or_fail(set.input == "file" and set.file or nil)
		self.input = file
		feed = function(guess) put(file, guess) end
		if set.input == "stdin" then
			options.stdin = { file = file.path }
		elseif not set.file then
			use(words_with(set.program, file.path))
		end
	elseif set.input == "argv" then
		feed = function(guess) use(words_with(set.program, guess)) end
	elseif set.input == "env" then
		local env = {}
		for name, value in pairs(set.spawn.env or {}) do
			env[name] = value
		end
		options.env = env
		feed = function(guess) env[set.variable] = guess end
	end
	return options, feed
end

-- ---- What became of a run

local exits, returns = {}, {}
for code = 0, 255 do
	exits[code], returns[code] = "exit " .. code, "return " .. code
end

-- The text that endings are told apart by.
local function status_of(run)
	local kind = run.kind
	if kind == "exit" then
		return exits[run.code] or "exit " .. run.code
	elseif kind == "return" then
		return returns[run.code]
	elseif kind == "signal" then
		return "signal " .. run.signal
	end
	return kind
end

local function missing(self)
	local place = self.score.missing and self.score:missing() or self.done and self.done.missing and self.done:missing()
	if place then
		check.fail("oracle: there is no '%s' in %s", place, self.set.program[1])
	end
end

-- Score, status, output and whether it is done; `run` says how it ended.
local function judge(self, run)
	local output
	if self.wants_output then
		output = self.out:get(OUTPUT)
		run.output, run.errors = output, self.err:get(OUTPUT)
	end
	local score, done = self.score:value(run), self.done
	return score, status_of(run), output, done ~= nil and done:value(run) > 0
end

local function fill(run, reason)
	run.kind, run.code, run.signal, run.ret = reason.kind, reason.code, reason.signal, nil
end

M.fill, M.judge, M.missing, M.status_of = fill, judge, missing, status_of

-- ---- By runs from the beginning

local function run_whole(self, guess)
	local set, run = self.set, self.run
	self.feed(guess)
	if self.wants_output then
		self.out:clear()
		self.err:clear()
	end
	local session = api.spawn(self.options)
	run.guess, run.session = guess, session
	if set.setup then
		set.setup(session)
	end
	self.score:arm(session)
	self.score:reset()
	if self.done then
		self.done:arm(session)
		self.done:reset()
	end
	if self.stop then
		self.stop:arm(session, STOP)
	end
	local began = clock()
	fill(run, session:run(self.limit))
	run.seconds = clock() - began
	if not session.ended then
		session:kill()
	end
	if not self.is_sure then
		missing(self)
		self.is_sure = true
	end
	return judge(self, run)
end

function M.base(set)
	local self = {
		set = set, run = {}, limit = { timeout = set.timeout },
		score = Score.make(set.score, set), done = Score.done(set.done, set),
	}
	if set.stop ~= nil and set.stop ~= "return" and set.stop ~= "end" then
		self.stop = Score.hits(Score.place("oracle: stop", set.stop), set)
	end
	-- How runs end may be all that tells candidates apart.
	self.wants_output = set.output ~= false and (set.output or set.score == nil or self.score.needs_output
		or self.done ~= nil and self.done.needs_output) or false
	self.options, self.feed = prepare(set, self)
	return self
end

-- set: the checked options (oracle/options.lua). Gives run(guess) and close().
function M.new(set)
	if set.snapshot then
		return require("oracle.rewind").new(set)
	end
	local self = M.base(set)
	return function(guess) return run_whole(self, guess) end, function() end
end

return M
