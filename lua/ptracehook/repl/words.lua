-- words - what GDB users' fingers know, as the Lua that it stands for.

local M = {}

-- A verb with the rest of the line as its argument, or without one.
local function verb(name)
	return function(rest)
		return ("%s(%s)"):format(name, rest)
	end
end

-- A place may be written without quotes.
local function placed(name)
	return function(rest)
		if rest == "" or rest:find "^[\"'%d]" or rest:find "^regs%." then
			return ("%s(%s)"):format(name, rest)
		end
		local place, n = rest:match "^(%S+)%s+(%d+)$" -- `dis main 5`
		if place then
			return ("%s(%q, %s)"):format(name, place, n)
		end
		return ("%s(%q)"):format(name, rest)
	end
end

M.list = {
	c = verb "cont", cont = verb "cont", pause = verb "pause",
	s = verb "step", si = verb "step", step = verb "step",
	n = verb "step_over", ni = verb "step_over", step_over = verb "step_over",
	fin = verb "finish", finish = verb "finish",
	bt = verb "bt", ctx = verb "ctx", dis = placed "dis", detach = verb "detach", restart = verb "restart",
	reload = verb "reload", h = verb "help", help = verb "help",
	b = function(rest)
		if rest == "" then
			return "bps()"
		end
		rest = rest:gsub("^%*%s*", "") -- GDB's fingers write *0x401000
		return ("bp(%s, STOP)"):format(rest:find "^[\"'%d]" and rest or ("%q"):format(rest))
	end,
	p = function(rest)
		return rest == "" and "_" or rest
	end,
	q = function(rest)
		return rest == "" and "quit()" or nil
	end,
}
M.list.quit, M.list.exit = M.list.q, M.list.q

-- What Enter repeats.
M.steps = { s = true, si = true, step = true, n = true, ni = true, step_over = true }

return M
