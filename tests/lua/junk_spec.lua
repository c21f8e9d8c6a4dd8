-- Every public function and method with arguments that make no sense: nothing crashes, and what is raised names a line
-- of the script's, never one of ours.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local ffi = require "ffi"
local core = require "ptracehook.core"
local ptracehook = require "ptracehook"
local support = require "support"

local NIL = {}

local function junk()
	local struct = ffi.new "struct { int x; }"
	return {
		NIL, true, false, 0, -1, 1.5, 1e300, -1e300, 0 / 0, math.huge, -math.huge, 2 ^ 53, 2 ^ 53 + 2, 2 ^ 63, 2 ^ 64,
		0ULL, 5ULL, -1LL, 0x7fffffffffffffffLL, 0xffffffffffffffffULL, "", "x", "0", "-1", "\0", "a\0b", ("x"):rep(5000),
		("?? "):rep(50), "signal", "int", "int[?]", "..", "!", "+", {}, { 1 }, { {} }, { x = 1 }, { [{}] = 1 }, { 0, 8 },
		setmetatable({}, { __call = function() end }), setmetatable({}, { __index = function() return 1.5 end }),
		setmetatable({}, { __tostring = function() return {} end }), print, function() end, coroutine.create(print),
		newproxy(), newproxy(true), io.stdout, struct, ffi.new "char[4]", ffi.cast("char *", 8), ffi.typeof "int",
		ffi.typeof "int[?]", ffi.new("enum { JUNK }", 0), ffi.new "complex", STOP, GOTO, RETURN(1), SIGNAL, SUPPRESS, regs, mem,
		mem.u8, regs.arg, regs.xmm0, regs.xmm0.u8, process, thread, process.session, SIG, _G,
	}
end

-- What must not be called for fun, and what says where it stands in ways of its own.
local left_out = { spawn = true, attach = true, detach = true, kill = true, close = true }

local function functions(s, b, h)
	local list = {}
	local function add(name, fn, self)
		if type(fn) == "function" and not left_out[name] then
			list[#list + 1] = { name = name, fn = fn, self = self }
		end
	end
	for name, value in pairs(ptracehook) do add(name, value) end
	for _, view in ipairs { ptracehook.mem, s.mem } do
		for name, value in pairs(view) do add("mem." .. name, value) end
	end
	for name, action in pairs { RETURN = RETURN, GOTO = GOTO, SIGNAL = SIGNAL, STOP = STOP } do
		add(name, function(...) return action(...) end)
	end
	for class, object in pairs { Session = s, Thread = s.thread, Process = s.process, Breakpoint = b, Handle = h } do
		for name, fn in pairs(core.classes[class].methods) do
			if not left_out[name] and name ~= "remove" then
				add(class .. ":" .. name, fn, object)
			end
			add(class .. "." .. name, fn)
		end
	end
	for name, view in pairs(ptracehook.mem) do
		if type(view) == "table" then
			add("read mem." .. name, function(i) return view[i] end)
			add("write mem." .. name, function(i, v) view[i] = v end)
		end
	end
	for _, name in ipairs { "rax", "eax", "al", "zf", "xmm0", "st0", "mxcsr", "rip" } do
		add("write regs." .. name, function(v) regs[name] = v end)
	end
	add("read regs", function(name) return regs[name] end)
	add("write regs", function(name, v) regs[name] = v end)
	add("read regs.arg", function(i) return regs.arg[i] end)
	add("write regs.arg", function(i, v) regs.arg[i] = v end)
	add("spawn", function(v) return spawn { "x", env = v, limits = v } end)
	add("spawn stdin", function(v) return spawn { "x", stdin = v, timeout = v } end)
	add("attach", function(v) return type(v) ~= "number" and attach(v) end)
	table.sort(list, function(x, y) return x.name < y.name end)
	return list
end

describe("with arguments that make no sense", function()
	after_each(support.close)

	-- Calls it; gives what is wrong with the error that it raised.
	local function complaint(entry, ...)
		local function call(...)
			local result
			if entry.self then
				result = entry.fn(entry.self, ...)
			else
				result = entry.fn(...)
			end
			return result
		end
		local ok, e = pcall(call, ...)
		if ok then
			return nil
		end
		local good, text = pcall(tostring, e)
		if not good or type(text) ~= "string" then
			return "an error that cannot be shown"
		elseif not text:find "^[^:\n]*_spec%.lua:%d+: " or text:find "ptracehook/" then
			return text
		end
	end

	local function try_all(choose)
		local s = support.spawn { "calc_pie" }
		local values = junk()
		local wrong, seen = {}, {}
		local function try(entry, ...)
			local words = complaint(entry, ...)
			if words and not seen[entry.name .. words] then
				seen[entry.name .. words] = true
				wrong[#wrong + 1] = entry.name .. ": " .. words:sub(1, 200)
			end
			if s.ended then
				wrong[#wrong + 1] = entry.name .. " ended the session"
				s = support.spawn { "calc_pie" }
			end
		end
		local b, h = s:bp("main", CONTINUE, { enabled = false }), s:on("exit", CONTINUE)
		for _, entry in ipairs(functions(s, b, h)) do
			if not entry.name:find "run" then
				choose(try, entry, values)
			end
		end
		collectgarbage()
		assert.equal("", table.concat(wrong, "\n"):sub(1, 3000))
	end

	local function value(v)
		if v ~= NIL then
			return v
		end
	end

	it("one argument", function()
		try_all(function(try, entry, values)
			try(entry)
			for _, v in ipairs(values) do
				try(entry, value(v))
			end
		end)
	end)

	it("a good first argument and a bad second and third one", function()
		try_all(function(try, entry, values)
			for _, first in ipairs { regs.rsp, "calc", "signal", "int" } do
				for _, v in ipairs(values) do
					try(entry, first, value(v))
					try(entry, first, regs.rsp, value(v))
					try(entry, first, value(v), CONTINUE)
				end
			end
			for _, one in ipairs(bps()) do
				one:remove()
			end
		end)
	end)

	it("three at random", function()
		math.randomseed(1)
		try_all(function(try, entry, values)
			for _ = 1, 200 do
				local n = #values
				try(entry, value(values[math.random(n)]), value(values[math.random(n)]), value(values[math.random(n)]))
			end
			for _, one in ipairs(bps()) do
				one:remove()
			end
		end)
	end)

	it("in option tables", function()
		support.spawn { "calc_pie" }
		local wrong = {}
		for _, v in ipairs(junk()) do
			for _, name in ipairs {
				"mode", "name", "once", "enabled", "thread", "pending", "when", "timeout", "errors", "exitkill", "follow", "text",
				"env", "cwd", "argv0", "aslr", "limits", "stdin", "stdout", "stderr", "clear_env", "x", 5,
			} do
				local options = { [name] = value(v) }
				for _, fn in ipairs {
					function() bp("calc", CONTINUE, options):remove() end, function() mem.find("x", nil, options) end,
					function() policy(options) end, function() attach(0, options) end,
					function() spawn { "/no/such/program", [name] = value(v) } end,
				} do
					local words = complaint { fn = fn }
					if words then
						wrong[#wrong + 1] = tostring(name) .. ": " .. words:sub(1, 200)
					end
				end
			end
		end
		assert.equal("", table.concat(wrong, "\n"):sub(1, 3000))
	end)
end)
