#!/usr/bin/env ptracehook
-- dump - shows registers, string arguments and memory at each hit of the places that are named.
--
-- Usage: ptracehook dump [--bytes N] [--stack N] [--max N] PLACE... -- PROGRAM [ARG...]
--        ptracehook -p PID dump [--bytes N] [--stack N] [--max N] PLACE...
--
--   PLACE      a symbol, symbol+0x10, +0x1139 (the main program's own address) or 0x401139
--   --bytes N  how much memory to show where an argument points (default 32)
--   --stack N  how many words of the stack to show, and where each leads as a pointer (default 0)
--   --max N    stop showing a place after N hits, and let it run on (default: never)
--
-- Sample output (ptracehook dump --max 1 greet -- build/targets/strings, its first lines):
--
--   == greet #1, thread 23069
--   rax     0x7878787878787878  rbx     0x0000000000000001  rcx     0x0000000000000000  rdx     0x00000000fbad0084
--   rsi     0x0000000000000001  rdi     0x000055fff8181013  rbp     0x00007ffe6ee7c090  rsp     0x00007ffe6ee7c048
--   r8      0x0000000000000000  r9      0x00007f6ef3b356d0  r10     0x00007f6ef3954648  r11     0x0000000000000206
--   r12     0x0000000000000000  r13     0x00007ffe6ee7c1b8  r14     0x000055fff8182dd8  r15     0x00007f6ef3b64020
--   rip     0x000055fff8180159  rflags  0x0000000000000217  fs_base 0x00007f6ef3937740  gs_base 0x0000000000000000
--   rdi -> "world"
--   000055fff8181013  77 6f 72 6c 64 00 74 77  6f 20 77 6f 72 64 73 00  |world.two words.|
--   000055fff8181023  67 72 c3 bc c3 9f 00 74  61 62 09 68 65 72 65 00  |gr.....tab.here.|
--   r9 ->
--   00007f6ef3b356d0  55 48 89 e5 41 57 41 56  45 31 f6 41 55 4c 8d 2d  |UH..AWAVE1.AUL.-|
--   00007f6ef3b356e0  44 f3 02 00 41 54 53 48  83 ec 28 c7 45 b4 02 00  |D...ATSH..(.E...|
--   1: hello, world

local function fail(status, message)
	io.stderr:write("dump: ", message, "\n")
	os.exit(status)
end

local function usage(message)
	fail(2, message .. "; usage: ptracehook dump [--bytes N] [--stack N] [--max N] PLACE... -- PROGRAM")
end

local function parse(words)
	local settings = { bytes = 32, stack = 0, max = math.huge, places = {} }
	local i = 1
	while words[i] do
		local option = words[i]:match "^%-%-(.*)$"
		if option == "bytes" or option == "stack" or option == "max" then
			settings[option] = tonumber((words[i + 1] or ""):match "^%d+$") or usage(words[i] .. ": a number expected")
			i = i + 1
		elseif option then
			usage("there is no option " .. words[i])
		else
			table.insert(settings.places, words[i])
		end
		i = i + 1
	end
	if not settings.places[1] then
		usage "no place named"
	elseif not process then
		usage "no program named"
	end
	return settings
end

local ORDER = {
	"rax", "rbx", "rcx", "rdx", "rsi", "rdi", "rbp", "rsp", "r8", "r9", "r10", "r11", "r12", "r13", "r14", "r15",
	"rip", "rflags", "fs_base", "gs_base",
}

local function show_registers()
	for i = 1, #ORDER, 4 do
		local line = {}
		for k = i, i + 3 do
			line[#line + 1] = ("%-7s 0x%016x"):format(ORDER[k], regs[ORDER[k]])
		end
		print(table.concat(line, "  "))
	end
end

-- Up to n bytes, as many as can be read; none where `at` is no address.
local function peek(at, n)
	local ok, result = pcall(mem.read, at, n)
	if ok then
		return result
	end
	return result.done and result.done > 0 and mem.read(at, result.done) or ""
end

-- What an argument points to: as text when it begins with some, and as bytes.
local function show_argument(name, n)
	local bytes = peek(regs[name], math.max(n, 80))
	if bytes == "" then
		return
	end
	local text, ending = bytes:match "^([\9\10\13\32-\126\128-\255]+)(%z?)"
	if text and (ending ~= "" or #text >= 3 and not text:find "[\128-\255]") then
		text = text:gsub("[\9\10\13]", { ["\t"] = "\\t", ["\n"] = "\\n", ["\r"] = "\\r" })
		print(('%s -> "%s"%s'):format(name, text, ending == "" and "..." or ""))
	else
		print(name .. " ->")
	end
	if n > 0 then
		print(hexdump(regs[name], math.min(n, #bytes)))
	end
end

-- As many words as there are.
local function show_stack(n)
	if n > 0 then
		n = math.min(n, math.floor(#peek(regs.rsp, n * 8) / 8))
		print "stack:"
		print(mem.telescope(regs.rsp, n))
	end
end

local settings = parse(arg)

local function show(thread, breakpoint)
	print(("== %s #%d, thread %d"):format(breakpoint.where, breakpoint.hits, thread.tid))
	show_registers()
	for _, name in ipairs { "rdi", "rsi", "rdx", "rcx", "r8", "r9" } do
		show_argument(name, settings.bytes)
	end
	show_stack(settings.stack)
	return breakpoint.hits >= settings.max and REMOVE or CONTINUE
end

for _, place in ipairs(settings.places) do
	local ok, err = pcall(bp, place, show)
	if not ok then
		fail(1, err.message or err)
	end
end
