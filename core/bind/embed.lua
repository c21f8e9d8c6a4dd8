-- embed - writes Lua files into a C file, as bytecode with line numbers.
--
-- luajit embed.lua OUT.c ROOT FILE...    FILE as seen from ROOT, or another's library by its full path; embed.h says
-- what comes out

local out, root = arg[1], arg[2]

-- The reference, as text that a module gives: help() shows it.
local function reference(path)
	local file = assert(io.open(root .. "/" .. path, "rb"))
	local chunk = assert(loadstring("return " .. ("%q"):format(file:read "*a")))
	file:close()
	return "ptracehook." .. path:gsub("%.lua$", ""):gsub("/", "."), string.dump(chunk, true)
end

-- Chunks of ours are named "ptracehook/…": errors name the innermost line that is none of them (error.c).
local function compile(path)
	if path:find "^meta/" then
		return reference(path)
	end
	local file = assert(io.open(path:find "^/" and path or root .. "/" .. path, "rb"))
	path = path:gsub("^/.*/", "")
	local chunk = assert(loadstring(file:read "*a", "=ptracehook/" .. path:gsub("^ptracehook/", "")))
	file:close()
	local name = path:gsub("%.lua$", ""):gsub("/init$", ""):gsub("/", ".")
	return name, string.dump(chunk)
end

local function literal(bytes)
	local lines = {}
	for at = 1, #bytes, 24 do
		lines[#lines + 1] = table.concat({ bytes:byte(at, at + 23) }, ",")
	end
	return table.concat(lines, ",\n")
end

local arrays, rows = {}, {}
for i = 3, #arg do
	local name, bytes = compile(arg[i])
	arrays[#arrays + 1] = ("static const unsigned char chunk_%d[] = {\n%s\n};\n"):format(i, literal(bytes))
	rows[#rows + 1] = ("\t{ %q, chunk_%d, sizeof(chunk_%d) },\n"):format(name, i, i)
end

local file = assert(io.open(out, "wb"))
assert(file:write('#include "bind/embed.h"\n\n', table.concat(arrays), "\nconst struct ph_embedded ph_embedded[] = {\n",
	table.concat(rows), "\t{ 0 }\n};\n"))
assert(file:close())
