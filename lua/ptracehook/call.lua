-- call - the arguments of call() and syscall.NAME(), f64, and memory that scripts map in a target.
--
-- What crosses to C (core/bind/invoke.c): integers, numbers, strings, {number} for a double, {bytes, true} for a buffer
-- whose bytes come back.

local ffi = require "ffi"
local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local select, type, unpack = select, type, unpack

-- ---- Arguments

local f64_meta = { __metatable = "F64", __tostring = function(self) return ("f64(%.17g)"):format(self[1]) end }

-- A number that is passed as a double although it is whole.
function M.f64(x)
	if type(x) ~= "number" then
		local ok, n = pcall(number.num, x)
		if not ok then
			check.fail("f64: a number expected, got %s", number.show(x))
		end
		x = n
	end
	return setmetatable({ x }, f64_meta)
end

local function is_f64(value)
	return type(value) == "table" and debug.getmetatable(value) == f64_meta
end

-- A buffer of ours: what the function makes of the copy is copied back.
local function convert(what, value)
	local kind = type(value)
	if kind == "nil" or kind == "boolean" then
		return value and 1 or 0
	elseif kind == "cdata" then
		if number.is_wide(value) or number.is_pointer(value) then
			return (number.u64(value))
		end
		local ok, whole = pcall(number.u64, value)
		if ok then
			return whole
		end
		local size = ffi.sizeof(value)
		if size and not tostring(value):find "^ctype<" and not tostring(ffi.typeof(value)):find "[*&]>$" then
			return { ffi.string(ffi.cast("const char *", value), size), true }, value
		end
	end
	check.fail("%s: a number, a string, a buffer or f64(x) expected as an argument, got %s", what, number.show(value))
end

local plain = { number = true, string = true }

-- The arguments as C takes them, or nil when they are so already; the buffers among them.
local function convert_all(what, n, ...)
	local all, buffers
	for i = 1, n do
		local value = select(i, ...)
		if not plain[type(value)] and not is_f64(value) then
			all = all or { ... }
			local buffer
			all[i], buffer = convert(what, value)
			if buffer then
				buffers = buffers or {}
				buffers[#buffers + 1] = buffer
			end
		end
	end
	return all, buffers
end

local function copy_back(buffers, result, ...)
	for i, buffer in ipairs(buffers or {}) do
		ffi.copy(buffer, (select(i, ...)), ffi.sizeof(buffer))
	end
	return result
end

-- ---- call

local options_known = { timeout = true, hooks = true, result = true }
local LONG = 1e9 -- seconds: as good as no limit

local function check_options(options)
	check.options("call", options, options_known)
	local timeout = check.seconds("call: timeout", options.timeout)
	local hooks = check.boolean("call: hooks", options.hooks)
	if options.result ~= nil and options.result ~= "f64" and options.result ~= "u64" then
		check.fail("call: result: \"u64\" or \"f64\" expected, got %s", number.show(options.result))
	end
	return timeout and timeout < LONG and math.ceil(timeout * 1000) or nil, hooks == false, options.result == "f64"
end

function M.call(_, target, addr, ...)
	local n = select("#", ...)
	local last = n > 0 and (select(n, ...)) or nil
	local timeout, quiet, number_wanted
	if type(last) == "table" and not is_f64(last) then
		timeout, quiet, number_wanted = check_options(last)
		n = n - 1
	end
	local all, buffers = convert_all("call", n, ...)
	if all or n < select("#", ...) then
		return copy_back(buffers, core.call(target, addr, timeout, quiet, number_wanted, unpack(all or { ... }, 1, n)))
	end
	return (core.call(target, addr, nil, false, false, ...))
end

-- ---- syscall.NAME

local function run_syscall(target_of, name, nr, ...)
	local n = select("#", ...)
	local all, buffers = convert_all("syscall." .. name, n, ...)
	for i = 1, n do
		local value = all and all[i] or (select(i, ...))
		if is_f64(value) or (type(value) == "number" and value % 1 ~= 0) then
			check.fail("syscall.%s: system calls take whole numbers, got %s", name, number.show(value))
		end
	end
	return copy_back(buffers, core.syscall(target_of(), nr, unpack(all or { ... }, 1, n)))
end

-- The table for one session, or for what the globals mean: target_of() gives that.
function M.syscalls(target_of)
	return setmetatable({}, {
		__index = function(self, name)
			local numbers = require("ptracehook.syscall").numbers
			local nr = type(name) == "string" and numbers[name]
			if not nr then
				local names = {}
				for other in pairs(numbers) do
					names[type(other) == "string" and other or ""] = true
				end
				local near = type(name) == "string" and check.nearest(name, names)
				check.fail("syscall: there is no system call %s%s", type(name) == "string" and name or number.show(name),
					near and "; did you mean '" .. near .. "'?" or "")
			end
			local function fn(...)
				return (run_syscall(target_of, name, nr, ...))
			end
			rawset(self, name, fn)
			return fn
		end,
		__newindex = function() check.fail "syscall: its fields are the system calls, and cannot be set" end,
	})
end

-- ---- mem.alloc, free, protect

local prots = { r = true, rw = true, rx = true, rwx = true }
local alloc_known = { keep = true, near = true }

local function check_prot(what, prot)
	if not prots[prot] then
		check.fail("%s: \"r\", \"rw\", \"rx\" or \"rwx\" expected, got %s", what, number.show(prot))
	end
	return prot
end

function M.add_memory(mem, target)
	function mem.alloc(n, prot, options)
		if type(prot) == "table" and options == nil then
			prot, options = nil, prot
		end
		options = check.options("mem.alloc", options, alloc_known)
		n = check.size("mem.alloc: n", n)
		if n == 0 then
			check.fail "mem.alloc: n: one byte or more expected, got 0"
		end
		local near = options.near ~= nil and check.address("mem.alloc: near", options.near) or nil
		return (core.alloc(target, n, check_prot("mem.alloc: prot", prot or "rw"),
			check.boolean("mem.alloc: keep", options.keep), near))
	end

	function mem.free(addr)
		core.free(target, check.address("mem.free: address", addr))
	end

	function mem.protect(addr, n, prot)
		core.protect(target, check.address("mem.protect: address", addr), check.size("mem.protect: n", n),
			check_prot("mem.protect: prot", prot))
	end
end

return M
