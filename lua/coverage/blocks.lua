-- coverage.blocks - the basic blocks of a function, by disassembling it from end to end.

local M = {}

-- The instructions in [start, start + size), with their offsets; nil when not all of it decodes.
local function decode(session, start, size)
	local list, at = {}, 0
	while at < size do
		-- Four bytes an instruction is about the mean.
		local insns = session:insns(start + at, math.ceil((size - at) / 4) + 1, { symbols = false })
		for _, insn in ipairs(insns) do
			if at >= size then
				break
			elseif insn.text == "(bad)" or at + insn.size > size then
				return nil
			end
			insn.offset = at
			list[#list + 1] = insn
			at = at + insn.size
		end
		if #insns == 0 then
			return nil
		end
	end
	return list
end

-- Where blocks begin: behind whatever may go elsewhere, and where direct branches lead.
local function leaders_of(insns, start, size)
	local known, leaders, targets = {}, { [0] = true }, {}
	for _, insn in ipairs(insns) do
		known[insn.offset] = true
	end
	for _, insn in ipairs(insns) do
		if insn.flow then
			leaders[insn.offset + insn.size] = true
		end
		if insn.target and insn.flow ~= "call" and insn.target >= start and insn.target < start + size then
			local offset = tonumber(insn.target - start)
			if known[offset] then
				leaders[offset], targets[offset] = true, true
			end
		end
	end
	return leaders, targets
end

local function is_padding(text)
	return text == "int3" or text == "xchg ax, ax" or text:find "^nop" ~= nil or text:find " nop" ~= nil
end

-- The blocks of a function: {offset, size}, padding that nothing leads to left out.
function M.of(session, fn)
	local insns = decode(session, fn.address, fn.size)
	if not insns then
		return { { offset = 0, size = fn.size } }
	end
	local leaders, targets = leaders_of(insns, fn.address, fn.size)
	local blocks, block, only_padding = {}, nil, true
	local function finish()
		if block and (not only_padding or targets[block.offset] or block.offset == 0) then
			blocks[#blocks + 1] = block
		end
	end
	for _, insn in ipairs(insns) do
		if leaders[insn.offset] then
			finish()
			block, only_padding = { offset = insn.offset, size = 0 }, true
		end
		block.size = block.size + insn.size
		only_padding = only_padding and is_padding(insn.text)
	end
	finish()
	return blocks
end

return M
