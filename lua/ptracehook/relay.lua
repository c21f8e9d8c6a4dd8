-- relay - coroutines that a script makes itself hand on what a hook in them waits for.
--
-- In place before any script runs, so that whatever keeps coroutine.resume or coroutine.wrap keeps these.

local core = require "ptracehook.core"

local token, yieldable = core.wait_token, core.yieldable
local yield, resume, wrap = coroutine.yield, coroutine.resume, coroutine.wrap

local M = {
	yield = yield,
	-- What the globals of these names mean in a hook of a call (hook.lua); a hook that waits keeps its own.
	this = nil, original = nil,
	-- The script's function that hook.lua calls: what goes wrong in it is told at its line where no other is known.
	fn = nil,
}

local NOT_HERE = "a hook cannot wait inside a function that was called by a C function, such as string.gsub, "
	.. "table.sort or require"

-- Waits of a hook come through coroutines of its own, on to the engine.
local function through(co, ok, first, ...)
	if not ok or first ~= token then
		return ok, first, ...
	elseif not yieldable() then
		return through(co, resume(co, false, NOT_HERE))
	end
	return through(co, resume(co, yield(first, ...)))
end

function coroutine.resume(co, ...)
	return through(co, resume(co, ...))
end

local function unwrapped(fn, first, ...)
	if first ~= token then
		return first, ...
	elseif not yieldable() then
		return unwrapped(fn, fn(false, NOT_HERE))
	end
	return unwrapped(fn, fn(yield(first, ...)))
end

function coroutine.wrap(body)
	local fn = wrap(body)
	return function(...)
		return unwrapped(fn, fn(...))
	end
end

return M
