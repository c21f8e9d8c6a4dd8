-- wait - verbs that wait for their thread: step, step_over, finish, run_to, sleep.
--
-- In a hook they yield what they wait for to the engine (core/bind/door.c), through the coroutines that a script made
-- itself; everything else goes on, and the hook with it when its thread has come so far. Outside of hooks they run the
-- session until then.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"
local relay = require "ptracehook.relay"

local M = {}

local token = core.wait_token
local yield = relay.yield

-- enum ph_until_kind
local STEPPED, STEPPED_OVER, RETURNED, CALL_RETURNED, PLACE, TIME = 0, 1, 2, 3, 4, 5

local function pass_on(this, original, fn, ok, ...)
	relay.this, relay.original, relay.fn = this, original, fn
	if not ok then
		error((...), 0)
	end
	return ...
end

local function wait(kind, place)
	local this, original, fn = relay.this, relay.original, relay.fn
	relay.this, relay.original, relay.fn = nil, nil, nil
	return pass_on(this, original, fn, yield(token, kind, place))
end

-- n: for kinds that have one. Gives true[, "unwound"], or, outside of hooks, nil and why the run ended.
local function wait_for(target, what, kind, n, place)
	local hooked, thread = core.waiter(target, what, n)
	if hooked then
		return true, wait(kind, place)
	end
	return core.drive(thread, kind, place, M.limit and M.limit(thread.session))
end

-- true when it came so far.
local function simply(done, why)
	if done and why == nil then
		return true
	end
	return nil, why
end

function M.step(target, n)
	n = n == nil and 1 or check.count("step: n", n)
	if n < 1 then
		check.fail("step: n: 1 or more expected, got %s", number.show(n))
	end
	return simply(wait_for(target, "step", STEPPED, n))
end

function M.step_over(target)
	return simply(wait_for(target, "step_over", STEPPED_OVER, 0))
end

local function result(target, done, why)
	if done and why == nil then
		return target.regs.rax
	end
	return nil, why
end

-- The thread whose function returns: its registers hold the result, whatever is current by then.
local function thread_of(target, what)
	local hooked, thread = core.waiter(target, what, 0)
	return hooked and core.thread() or thread
end

function M.finish(target)
	local thread = thread_of(target, "finish")
	return result(thread, wait_for(target, "finish", RETURNED, 0))
end

-- For hook.lua: the thread stands at a function's first instruction.
function M.finish_call()
	return select(2, wait_for(nil, "original", CALL_RETURNED, 0))
end

function M.run_to(target, where)
	if type(where) == "string" then
		return simply(wait_for(target, "run_to", PLACE, 0, check.string("run_to: where", where)))
	end
	return simply(wait_for(target, "run_to", PLACE, check.address("run_to: where", where)))
end

local LONGEST = 1e9 -- seconds

-- In a hook: until a goal of tube.lua is reached, or that many seconds have passed.
function M.pause(target, what, goal, seconds)
	core.waiter(target, what, math.floor(math.min(seconds, LONGEST) * 1e9))
	wait(TIME, goal)
end

function M.sleep(target, seconds)
	if seconds == nil then
		check.fail "sleep: a number of seconds expected, got nil"
	end
	seconds = math.min(check.seconds("sleep: seconds", seconds), LONGEST)
	if target == nil and not core.in_run() then
		return core.sleep(seconds)
	end
	if not core.waiter(target, "sleep", math.floor(seconds * 1e9)) then
		return core.sleep(seconds)
	end
	wait(TIME)
end

return M
