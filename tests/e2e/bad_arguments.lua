-- bad_arguments - every function with nil, negative, fractional, huge and wrong-typed arguments: a plain error that
-- names this file and what was expected, and a target that is as it was. Run by bad_input.sh on calc_pie.

local HUGE = 2 ^ 53 * 4
local failures = 0

local function fail(...)
	failures = failures + 1
	io.stderr:write(string.format(...), "\n")
end

-- rejected(what, fn, …): fn(…) raises; the error's text has the place in this file and is one clear line.
local function rejected(what, fn, ...)
	local ok, err = pcall(fn, ...)
	if ok then
		return fail("%s: accepted", what)
	end
	local text = tostring(err)
	if not text:find "^bad_arguments%.lua:%d+: " and not text:find "^%.?/?[^\n]*bad_arguments%.lua:%d+: " then
		fail("%s: no place in this file: %s", what, text)
	end
	if text:find "\n" then
		fail("%s: more than one line: %s", what, text)
	end
	if text:find "core%." or text:find "ptracehook/" or text:find "attempt to " or text:find "bad argument" then
		fail("%s: words of the inside: %s", what, text)
	end
end

local function each(what, fn, values)
	for i = 1, values.n or #values do
		rejected(("%s(%s)"):format(what, tostring(values[i])), fn, values[i])
	end
end

local cdata = require "ffi".new "int[4]"
-- What is no address; nil is none either.
local no_address = { n = 12, nil, true, {}, function() end, "nonsense!", -1, 1.5, HUGE * HUGE,
	0 / 0, 1 / 0, -1LL, cdata }
local no_count = { n = 11, true, {}, function() end, "nonsense!", -1, 1.5, HUGE * HUGE, 0 / 0, 1 / 0, -1LL, cdata }
local no_string = { n = 5, nil, true, {}, function() end, cdata }
local no_function = { n = 6, nil, true, 1, "main", {}, cdata }
local no_table = { n = 4, true, 1, "text", function() end }

local entry = sym "calc"
local here = regs.rsp

-- mem
each("mem.read: address", function(x) return mem.read(x, 1) end, no_address)
each("mem.read: n", function(x) return mem.read(here, x) end, no_count)
rejected("mem.read: no n", function() return mem.read(here) end)
rejected("mem.read: huge n", function() return mem.read(here, 2 ^ 62) end)
each("mem.write: address", function(x) mem.write(x, "a") end, no_address)
each("mem.write: bytes", function(x) mem.write(here, x) end, no_string)
each("mem.cstr: address", function(x) return mem.cstr(x) end, no_address)
each("mem.cstr: max", function(x) return mem.cstr(here, x) end, no_count)
for _, kind in ipairs { "u8", "u16", "u32", "u64", "i8", "i16", "i32", "i64", "f32", "f64", "ptr" } do
	each("mem." .. kind .. ": read", function(x) return mem[kind][x] end, no_address)
	each("mem." .. kind .. ": write", function(x) mem[kind][x] = 1 end, no_address)
	each("mem." .. kind .. ": value", function(x) mem[kind][here] = x end, { n = 5, nil, {}, "text", true, cdata })
end
for kind, values in pairs {
	u8 = { 256, -129, 1.5, 0 / 0 }, u16 = { 65536, -32769, 0.5 }, u32 = { 2 ^ 32, -2 ^ 31 - 1, 1 / 0 },
	i8 = { 256, -129 }, i32 = { 2 ^ 32, -2 ^ 31 - 1 }, u64 = { 2 ^ 64, -2 ^ 64, 1.5, 0 / 0 },
} do
	each("mem." .. kind .. ": out of range", function(x) mem[kind][here] = x end, values)
end
each("mem.struct: type", function(x) return mem.struct(x, here) end, { n = 5, nil, 1, {}, true, "no such type" })
each("mem.struct: address", function(x) return mem.struct("int", x) end, no_address)
each("mem.array: type", function(x) return mem.array(x, here, 1) end, { n = 5, nil, 1, {}, true, "no such type" })
each("mem.array: address", function(x) return mem.array("int", x, 1) end, no_address)
each("mem.array: n", function(x) return mem.array("int", here, x) end, no_count)
rejected("mem.array: huge n", function() return mem.array("int", here, 2 ^ 60) end)
each("mem.put: address", function(x) mem.put(x, cdata) end, no_address)
each("mem.put: object", function(x) mem.put(here, x) end, { n = 5, nil, 1, {}, true, "text" })
each("mem.find: pattern", function(x) return mem.find(x) end, { n = 6, nil, true, {}, function() end, "", 1 })
each("mem.find: range", function(x) return mem.find("x", x) end, { true, 1, function() end, "no such module" })
rejected("mem.find: half a range", function() return mem.find("x", { here }) end)
rejected("mem.find: a range backwards", function() return mem.find("x", { here + 16, here }) end)
each("mem.find: start", function(x) return mem.find("x", { x, here }) end, no_address)
each("mem.find_all: pattern", function(x) return mem.find_all(x) end, { n = 5, nil, true, {}, "", 1 })
each("hexdump: address", function(x) return hexdump(x, 16) end, no_address)
each("hexdump: n", function(x) return hexdump(here, x) end, no_count)
rejected("hexdump: no n", function() return hexdump(here) end)

-- regs
for _, name in ipairs { "rax", "rip", "eax", "ax", "al", "rflags", "fs_base", "orig_rax" } do
	each("regs." .. name, function(x) regs[name] = x end, { n = 6, nil, true, {}, "text", 1.5, 0 / 0 })
end
rejected("regs.al = 256", function() regs.al = 256 end)
rejected("regs.eax = 2^32", function() regs.eax = 2 ^ 32 end)
rejected("regs.rax = 2^64", function() regs.rax = 2 ^ 64 end)
rejected("regs.nonsense", function() return regs.nonsense end)
rejected("regs.nonsense = 1", function() regs.nonsense = 1 end)
rejected("regs[1]", function() return regs[1] end)
rejected("regs.zf = 1", function() regs.zf = "yes" end)
rejected("regs.arg[0]", function() return regs.arg[0] end)
rejected("regs.arg[7]", function() return regs.arg[7] end)
rejected("regs.arg.x", function() regs.arg.x = 1 end)
rejected("regs.arg[1] = {}", function() regs.arg[1] = {} end)
rejected("regs.xmm0.f64[2]", function() return regs.xmm0.f64[2] end)
rejected("regs.xmm0.f64[-1]", function() return regs.xmm0.f64[-1] end)
rejected("regs.xmm0.u8[0] = 256", function() regs.xmm0.u8[0] = 256 end)
rejected("regs.xmm0.nonsense", function() return regs.xmm0.nonsense end)
rejected("regs.xmm0 = 1", function() regs.xmm0 = "short" end)

-- bp
local bad_where = { n = 10, nil, true, {}, function() end, -1, 1.5, HUGE * HUGE, 0 / 0, -1LL, cdata }
each("bp: where", function(x) bp(x, STOP) end, bad_where)
each("bp: hook", function(x) bp(entry, x) end, no_function)
each("bp: options", function(x) bp(entry, STOP, x) end, no_table)
each("bp: mode", function(x) bp(entry, STOP, { mode = x }) end, { "Skip", "", 1, true, {} })
each("bp: once", function(x) bp(entry, STOP, { once = x }) end, { 1, "yes", {} })
each("bp: enabled", function(x) bp(entry, STOP, { enabled = x }) end, { 1, "yes", {} })
each("bp: pending", function(x) bp(entry, STOP, { pending = x }) end, { 1, "yes", {} })
each("bp: name", function(x) bp(entry, STOP, { name = x }) end, { 1, true, {} })
each("bp: thread", function(x) bp(entry, STOP, { thread = x }) end, { "one", true, {}, -1, 1.5 })
rejected("bp: unknown option", function() bp(entry, STOP, { onec = true }) end)
rejected("bp: a zero byte", function() bp("ca\0lc", STOP) end)
each("bp: an action for other events", function(x) bp(entry, x) end, { SUPPRESS })
for _, breakpoint in ipairs(bps()) do
	fail("a rejected breakpoint stayed: %s", tostring(breakpoint))
	breakpoint:remove()
end

-- actions
each("GOTO", function(x) return GOTO(x) end, { n = 6, nil, true, {}, -1, 1.5, 0 / 0 })
each("RETURN", function(x) return RETURN(x) end, { {}, "text", 1.5, 0 / 0, cdata })
each("SIGNAL", function(x) return SIGNAL(x) end, { n = 8, nil, true, {}, "SIGNONE", 0, 65, -1, 1.5 })

-- events
each("on: event", function(x) on(x, function() end) end, { n = 5, nil, true, 1, {}, "no such event" })
each("on: hook", function(x) on("exit", x) end, no_function)
each("on: filter", function(x) on("signal", x, function() end) end,
	{ true, "NONSENSE", 0, 65, 1.5, { "USR1", "NONE" }, function() end })
rejected("on: a filter where there is none", function() on("exit", "x", function() end) end)
rejected("on: an action that cannot answer", function() on("exit", SKIP) end)

-- sessions
each("spawn", function(x) spawn(x) end, { n = 5, nil, true, 1, {}, function() end })
rejected("spawn: no string", function() spawn { {} } end)
rejected("spawn: a zero byte", function() spawn { "tr\0ue" } end)
rejected("spawn: unknown option", function() spawn { "true", stdinn = "null" } end)
for name, values in pairs {
	env = { 1, "text", true, { [1] = "x" }, { ["a=b"] = "x" }, { NAME = {} } },
	clear_env = { 1, "yes" }, cwd = { 1, {}, true }, argv0 = { 1, {}, true }, aslr = { 1, "no" }, follow = { 1, "yes" },
	limits = { 1, "text", { nonsense = 1 }, { cpu = -1 }, { cpu = "much" }, { cpu = 1.5 } },
	timeout = { "long", {}, -1, 0 / 0 },
	stdin = { 1, true, {}, "nonsense", { file = 1 }, { file = "/no/such/file" } },
	stdout = { 1, true, {}, "nonsense", { data = "x" }, { file = "/no/such/folder/file" } },
	stderr = { 1, true, {}, "nonsense", { file = "/no/such/folder/file" } },
} do
	each("spawn: " .. name, function(x) spawn { "true", [name] = x } end, values)
end
each("attach", function(x) attach(x) end, { n = 9, nil, true, {}, "1", -1, 0, 1.5, 2 ^ 31, 2 ^ 70 })
each("attach: options", function(x) attach(2 ^ 31 - 1, x) end, { true, 1, "text", { folow = true }, { follow = 1 } })
each("run", function(x) run(x) end,
	{ true, 1, "text", { timeuot = 1 }, { timeout = -1 }, { timeout = "long" }, { timeout = 0 / 0 } })
each("policy", function(x) policy(x) end,
	{ true, 1, "text", { nonsense = true }, { errors = "ignore" }, { exitkill = 1 }, { follow = "yes" } })
each("detach", function(x) detach(x) end, { true, 1, "text", { stoped = true }, { stopped = 1 } })
each("sym", sym, { n = 6, nil, true, {}, 1, "no_such_symbol", "" })
each("find_sym", find_sym, { n = 4, nil, true, {}, 1 })

-- numbers
for name, fn in pairs { hex = hex, key = key, num = num, u64 = u64, i64 = i64, i32 = i32 } do
	each(name, function(x) return (fn(x)) end, { n = 5, nil, true, {}, function() end, cdata })
end
rejected("num: not exact", function() return (num(0xffffffffffffffffULL)) end)

-- methods on what they do not belong to
local session = process.session
for name, object in pairs { Session = session, Thread = thread, Process = process } do
	rejected(name .. ".nonsense = 1", function() object.nonsense = 1 end)
	for _, method in ipairs { "run", "kill", "threads", "detach", "bp" } do
		if pcall(function() return object[method] end) and object[method] then
			rejected(name .. "." .. method .. " without an object", function() object[method]() end)
			rejected(name .. "." .. method .. " of a table", function() object[method] {} end)
		end
	end
end

-- All of that was no harm.
assert(#session:threads() == 1 and mem.u64[here] == 1, "the target was changed")
assert(run().code == 0)
io.stderr:write(failures == 0 and "" or failures .. " wrong\n")
os.exit(failures == 0 and 0 or 1)
