#!/usr/bin/env ptracehook
-- dump - shows registers, string arguments and memory at each hit of the places that are named.
--
-- Usage: ptracehook scripts/dump.lua [--bytes N] [--max N] PLACE... -- PROGRAM [ARG...]
--        ptracehook -p PID scripts/dump.lua [--bytes N] [--max N] PLACE...
--
--   PLACE      a symbol, symbol+0x10, +0x1139 (the main program's own address) or 0x401139
--   --bytes N  how much memory to show where an argument points (default 32)
--   --max N    stop showing a place after N hits, and let it run on (default: never)
--
-- Sample output (ptracehook scripts/dump.lua greet -- ./strings):
--
--   == greet #1, thread 4242
--   rax 0x0000000000000003  rbx 0x0000000000000000  rcx 0x0000555555556008  rdx 0x0000000000000003
--   …
--   rdi -> "world"
--   0000555555556004  77 6f 72 6c 64 00 00 00  01 1b 03 3b 38 00 00 00  |world......;8...|

local ORDER = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"rip", "rflags", "fs_base", "gs_base",
}

local function usage(message)
	io.stderr:write("dump: ", message, "\nusage: ptracehook scripts/dump.lua [--bytes N] [--max N] PLACE... -- PROGRAM\n")
	os.exit(2)
end

local function parse(words)
	local settings = { bytes = 32, max = math.huge, places = {} }
	local i = 1
	while words[i] do
		local option = words[i]:match "^%-%-(%a+)$"
		if option == "bytes" or option == "max" then
			settings[option] = tonumber(words[i + 1]) or usage(words[i] .. " needs a number")
			i = i + 1
		elseif option then
			usage("there is no option " .. words[i])
		else
			table.insert(settings.places, words[i])
		end
		i = i + 1
	end
	if not settings.places[1] then
		usage "name a place at least"
	end
	return settings
end

local function show_registers()
	local line = {}
	for i, name in ipairs(ORDER) do
		line[#line + 1] = ("%-3s 0x%016x"):format(name, regs[name])
		if i % 4 == 0 then
			print(table.concat(line, "  "))
			line = {}
		end
	end
end

-- What an argument points to, as text when it is some, and as bytes.
local function show_argument(name, bytes)
	local at = regs[name]
	local ok, text = pcall(mem.cstr, at, 200)
	if not ok then
		return
	end
	if #text >= 3 and not text:find "[^\9\10\13\32-\126]" then
		print(("%s -> %q"):format(name, text))
	else
		print(name .. " ->")
	end
	local readable, dump = pcall(hexdump, at, bytes)
	print(readable and dump or hexdump(at, #text))
end

local settings = parse(arg)

for _, place in ipairs(settings.places) do
	bp(place, function(thread, breakpoint)
		print(("== %s #%d, thread %d"):format(place, breakpoint.hits, thread.tid))
		show_registers()
		for _, name in ipairs { "rdi", "rsi", "rdx", "rcx" } do
			show_argument(name, settings.bytes)
		end
		if breakpoint.hits >= settings.max then
			return REMOVE
		end
	end)
end
