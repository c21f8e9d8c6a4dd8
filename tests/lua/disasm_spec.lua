-- disasm() and insns(): text of a target's instructions, and where they begin, held against objdump.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function texts(list)
	local out = {}
	for i, insn in ipairs(list) do
		out[i] = insn.text
	end
	return out
end

-- Lines without their addresses, which differ from run to run.
local function shapes(listing)
	local out = {}
	for line in (listing .. "\n"):gmatch "(.-)\n" do
		out[#out + 1] = line:gsub("0x%x%x%x%x%x%x%x%x%x+", "ADDR")
	end
	return out
end

-- Standing in mem_here(): an address that is not mapped, behind a page that is.
local function hole()
	return support.regions(support.spawn { "mem" }).hole
end

describe("insns", function()
	after_each(support.close)

	it("gives address, size and text of each instruction", function()
		support.spawn { "calc_pie" }
		local list = insns(sym "calc", 3)
		assert.same({ "lea rax, [rdi]", "add rax, rsi", "ret" }, texts(list))
		assert.truthy(list[1].address == sym "calc" and list[2].address == sym "calc_add")
		assert.same({ 3, 3, 1 }, { list[1].size, list[2].size, list[3].size })
		assert.equal("return", list[3].flow)
		assert.is_nil(list[1].flow)
	end)

	it("takes a place's name, and nothing for where the thread stands", function()
		local s = support.spawn { "calc_pie" }
		assert.truthy(insns("calc+3", 1)[1].address == sym "calc_add")
		assert.equal(regs.rip, insns()[1].address)
		assert.equal(10, #insns())
		bp("calc_add", STOP)
		s:run()
		assert.same({ "add rax, rsi" }, texts(insns(nil, 1)))
	end)

	it("says where direct branches lead, and how code goes on", function()
		support.spawn { "calc_pie" }
		local at = sym "main"
		mem.write(at, "\232\0\0\0\0\116\254\235\254\255\224\195") -- call, je, jmp, jmp rax, ret
		local list = insns(at, 5)
		local flows = {}
		for i, insn in ipairs(list) do
			flows[i] = insn.flow
		end
		assert.same({ "call", "branch", "jump", "jump", "return" }, flows)
		assert.truthy(list[1].target == at + 5 and list[2].target == at + 5 and list[3].target == at + 7)
		assert.is_nil(list[4].target)
		assert.is_nil(list[5].target)
	end)

	it("names what branches and RIP-relative operands mean, unless told not to", function()
		support.spawn { "calc_pie" }
		local at = sym "calc"
		mem.write(at, "\72\141\5\249\255\255\255") -- lea rax, [rip - 7]
		assert.equal(("lea rax, [rip-0x7]  # %s <calc>"):format(hex(at)), insns(at, 1)[1].text)
		assert.equal(("lea -0x7(%%rip), %%rax  # %s <calc>"):format(hex(at)), insns(at, 1, { syntax = "att" })[1].text)
		assert.equal(("lea rax, [rip-0x7]  # %s"):format(hex(at)), insns(at, 1, { symbols = false })[1].text)
	end)

	it("never shows bytes of ours, and those that the program wrote under them", function()
		support.spawn { "calc_pie" }
		bp("calc", CONTINUE)
		bp("calc_add", CONTINUE)
		assert.same({ "lea rax, [rdi]", "add rax, rsi", "ret" }, texts(insns("calc", 3)))
		mem.write(sym "calc", "\144\144\144")
		assert.same({ "nop", "nop", "nop", "add rax, rsi" }, texts(insns("calc", 4)))
	end)

	it("shows the program's own int3 as one", function()
		support.spawn { "calc_pie" }
		mem.write(sym "calc", "\204")
		assert.equal("int3", insns("calc", 1)[1].text)
	end)

	it("gives what is no instruction as (bad), a byte at a time", function()
		support.spawn { "calc_pie" }
		mem.write(sym "calc", "\6\7\144")
		local list = insns("calc", 3)
		assert.same({ "(bad)", "(bad)", "nop" }, texts(list))
		assert.same({ 1, 1 }, { list[1].size, list[2].size })
	end)

	it("ends where the mapping ends, with what was good", function()
		local edge = hole()
		mem.write(edge - 4, "\144\144\144\144")
		assert.equal(4, #insns(edge - 4, 1000))
		mem.write(edge - 4, "\144\232\0\0") -- a call that is cut short
		assert.same({ "nop" }, texts(insns(edge - 4, 1000)))
		assert.same({}, insns(edge - 3, 1000))
		assert.same({}, insns(edge - 3, 0))
	end)

	it("goes on over pages", function()
		local big = support.regions(support.spawn { "mem" }).big
		mem.write(big, ("\144"):rep(0x1ff8) .. ("\102"):rep(14) .. "\144\195")
		local list = insns(big, 0x1ff8 + 2)
		assert.same({ "nop", "ret" }, { list[0x1ff8].text, list[0x1ff8 + 2].text })
		assert.equal(15, list[0x1ff8 + 1].size)
	end)

	it("raises where nothing can be read, as reads do", function()
		local edge = hole()
		local e = raises(function() insns(edge, 1) end)
		assert.truthy(e.addr == edge and e.name == "EIO" and e.done == 0)
		raises(function() insns(8, 4) end, "0x8")
		raises(function() insns(-1ULL, 4) end)
		raises(function() disasm(-16ULL, 4) end)
	end)

	it("refuses wrong arguments by name", function()
		support.spawn { "calc_pie" }
		raises(function() insns(-1) end, "insns: where", "negative")
		raises(function() insns(1.5) end, "insns: where")
		raises(function() insns({}) end, "insns: where")
		raises(function() insns("calx", 1) end, "insns: ", "calx", "did you mean 'calc'?")
		raises(function() insns("calc", -1) end, "insns: n")
		raises(function() disasm("calc", 1.5) end, "disasm: n")
		raises(function() disasm("calc", 1, { syntax = "masm" }) end, "disasm: syntax", '"intel" or "att"')
		raises(function() disasm("calc", 1, { sintax = "att" }) end, "disasm", "did you mean 'syntax'?")
		raises(function() insns("calc", 1, { bytes = true }) end, "insns", "no option 'bytes'")
		raises(function() disasm("calc", 1, { bytes = 1 }) end, "disasm: bytes")
		raises(function() thread.disasm("calc", 1) end, "disasm: Thread expected")
		raises(function() process.session.disasm("calc", 1) end, "disasm: Session expected")
	end)

	it("needs a target that lives", function()
		local s = support.spawn { "calc_pie" }
		s:run()
		raises(function() s:insns(0x1000, 1) end, "ended")
		raises(function() s:disasm(0x1000, 1) end, "ended")
	end)
end)

describe("disasm", function()
	after_each(support.close)

	it("shows address, symbol and text, the next instruction and breakpoints", function()
		local s = support.spawn { "calc_pie" }
		bp("calc", STOP)
		bp("calc+3", CONTINUE)
		bp("calc+6", CONTINUE, { enabled = false })
		s:run()
		assert.same({
			"*=> ADDR <calc>      lea rax, [rdi]",
			"*   ADDR <calc+0x3>  add rax, rsi",
			"    ADDR <calc+0x6>  ret",
		}, shapes(disasm("calc", 3)))
		assert.truthy(disasm("calc", 1):find(hex(sym "calc"), 1, true))
	end)

	it("shows bytes, AT&T syntax, and no symbols when asked", function()
		support.spawn { "calc_pie" }
		assert.same({
			"    ADDR <calc>      48 8d 07   lea (%rdi), %rax",
			"    ADDR <calc+0x3>  48 01 f0   add %rsi, %rax",
			"    ADDR <calc+0x6>  c3         ret",
		}, shapes(disasm("calc", 3, { bytes = true, syntax = "att" })))
		assert.same({ "    ADDR  lea rax, [rdi]" }, shapes(disasm("calc", 1, { symbols = false })))
	end)

	it("shows the original bytes under a breakpoint", function()
		support.spawn { "calc_pie" }
		bp("calc", CONTINUE)
		assert.same({ "*   ADDR <calc>  48 8d 07   lea rax, [rdi]" }, shapes(disasm("calc", 1, { bytes = true })))
	end)

	it("is empty for nothing", function()
		support.spawn { "calc_pie" }
		assert.equal("", disasm("calc", 0))
	end)

	it("is a method of Session and Thread", function()
		local s = support.spawn { "calc_pie" }
		local t, at = s.thread, s:sym "calc"
		support.spawn { "crackme" }
		assert.truthy(s:disasm(at, 1):find "<calc>")
		assert.truthy(t:disasm(at, 1):find "<calc>")
		assert.truthy(t:disasm("calc", 1):find "<calc>")
		assert.equal("lea rax, [rdi]", s:insns("calc", 1)[1].text)
		assert.equal("lea rax, [rdi]", t:insns("calc", 1)[1].text)
		assert.truthy(t:disasm(nil, 1):find("=> " .. hex(t.regs.rip), 1, true))
	end)

	it("looks at the thread whose hook is running", function()
		local s, seen = support.spawn { "calc_pie" }, nil
		bp("calc+3", function()
			seen = disasm(nil, 1)
			return REMOVE
		end)
		s:run()
		assert.same({ "*=> ADDR <calc+0x3>  add rax, rsi" }, shapes(seen))
	end)
end)

-- ---- Against objdump

local LONG = os.getenv "LONG"

-- The instructions that objdump finds in the .text of a file: a list of {address, size, text, fwait, fresh}; `fresh` at
-- symbols, where objdump begins anew.
local function objdump(path, most)
	local headers = io.popen(("objdump -h -j .text '%s' 2>/dev/null"):format(path))
	local size, start = headers:read "*a":match "%.text%s+(%x+)%s+(%x+)"
	headers:close()
	if not size then
		return nil
	end
	start, size = tonumber(start, 16), tonumber(size, 16)
	local stop = start + math.min(size, most)
	local pipe = io.popen(("objdump -d -w -j .text --start-address=%.0f --stop-address=%.0f '%s'"):format(start, stop,
		path))
	local list, fresh = {}, true
	for line in pipe:lines() do
		local address, bytes, text = line:match "^%s*(%x+):\t([%x ]+)\t?(.*)$"
		if address then
			list[#list + 1] = {
				address = tonumber(address, 16), size = #bytes:gsub("%s", "") / 2, text = text,
				fwait = bytes:find "^9b" ~= nil, fresh = fresh,
			}
		end
		fresh = line:find "^%x+ <.*>:$" ~= nil
	end
	pipe:close()
	-- The last one may have been cut short, and then is several lines.
	for _ = 1, most < size and 15 or 0 do
		list[#list] = nil
	end
	return list
end

-- What objdump gives a line of its own that is no instruction: bytes that it does not know, prefixes without one. And
-- fwait is an instruction, which objdump shows as one with what follows.
local function is_split_otherwise(entry)
	return entry.text:find "%(bad%)" or entry.text:find "^%.byte" or entry.fwait
		or entry.size == 1 and (entry.text:find "^rex" or entry.text:find "^[cdefgs]s%s*$" or entry.text:find "^data16%s*$"
			or entry.text:find "^addr32%s*$" or entry.text:find "^rep%a*%s*$" or entry.text:find "^lock%s*$")
end

-- Gives how many were the same; where they differ, both are in the message.
local function compare(list, bias)
	local same, i = 0, 1
	while i <= #list do
		local ours = insns(bias + list[i].address, 2000, { symbols = false })
		local k = 1
		while list[i] and ours[k] do
			local theirs = list[i]
			if is_split_otherwise(theirs) then
				i = i + 1
				break -- from the next one on, anew
			elseif theirs.fresh and ours[k].address ~= bias + theirs.address then
				break
			end
			if ours[k].address ~= bias + theirs.address or ours[k].size ~= theirs.size then
				error(("objdump: %x %d %s; ours: %x %d %s"):format(theirs.address, theirs.size, theirs.text,
					tonumber(ours[k].address - bias), ours[k].size, ours[k].text))
			end
			same, i, k = same + 1, i + 1, k + 1
		end
	end
	return same
end

-- What is added to the file's addresses: the file's first segment, of address 0, is mapped there.
local function bias_of(path)
	for _, entry in ipairs(mem.maps()) do
		if entry.path == path and entry.offset == 0 then
			return entry.start
		end
	end
	error("not mapped: " .. path)
end

describe("instruction boundaries are objdump's in", function()
	after_each(support.close)

	local most = LONG and math.huge or 100000

	local function check(path, minimum)
		local list = objdump(path, most)
		local bias = list[1].address < 0x400000 and bias_of(path) or 0ULL
		local same = compare(list, bias)
		assert.truthy(same >= minimum, ("only %d of %d instructions were compared"):format(same, #list))
		assert.truthy(same > #list * 0.98, ("only %d of %d instructions were compared"):format(same, #list))
	end

	for _, name in ipairs { "/usr/bin/bash", "/usr/bin/gdb", "/usr/bin/openssl", "/usr/bin/python3" } do
		it(name, function()
			local real = io.popen(("readlink -f %s; test -x %s && echo there"):format(name, name))
			local path, there = real:read "*l", real:read "*l"
			real:close()
			if not there then
				return pending "not installed"
			end
			local s = spawn { path, stdout = "null", stderr = "null" }
			check(path, 10000)
			s:close()
		end)
	end

	it("the C library", function()
		local s = support.spawn { "calc_pie" }
		bp("main", STOP)
		s:run()
		for _, entry in ipairs(mem.maps()) do
			if entry.path:find "/libc%.so%.6$" and entry.offset == 0 then
				return check(entry.path, 10000)
			end
		end
		error "no C library"
	end)
end)
