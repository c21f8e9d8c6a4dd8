-- our_values - ptracehook our_values.lua PROGRAM: at each of the program's own addresses in the file "addresses", once,
-- the parameters and variables that are numbers, "ADDRESS\tNAME=VALUE\t..." a line, to the file "ours".
local s = spawn { arg[1], aslr = false, stdout = "null" }
local out = io.open("ours", "w")

local function is_number(value)
	return type(value) == "number" or type(value) == "boolean" or value == "<optimized out>"
		or type(value) == "cdata" and not tostring(value):find "^%("
end

for address in io.lines "addresses" do
	s:bp("+0x" .. address, function()
		local list = {}
		for _, values in ipairs { args(), locals() } do
			for name, value in pairs(values) do
				if is_number(value) then
					list[#list + 1] = name .. "=" .. tostring(value)
				end
			end
		end
		out:write(hex(regs.rip), "\t", table.concat(list, "\t"), "\n")
		return REMOVE
	end)
end
s:run()
out:close()
