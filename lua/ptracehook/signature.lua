-- signature - what debug information says of a function, in the shape of a prototype (prototype.lua).
--
-- Two ways to see it. As declared: `const char *` is a string and bool a boolean, as a prototype has them. Plain, for
-- scripts that have not asked for types: whole numbers with the width and sign of their types, and every pointer is an
-- address; what has floating point or is a structure is typed in both.

local core = require "ptracehook.core"
local types = require "ptracehook.types"

local M = {}

local floats = { [4] = "float", [8] = "double" }

-- What a parameter of this type is; nil: nothing that could be handed to a function of Lua.
local function what_of(t, is_text, as_declared)
	local kind = t.kind
	if kind == "pointer" then
		return { kind = is_text and as_declared and "string" or "pointer" }
	elseif kind == "boolean" and as_declared then
		return { kind = "bool" }
	elseif kind == "integer" or kind == "boolean" or kind == "enum" then
		return t.size <= 8 and { kind = "int", size = t.size, signed = t.signed } or { kind = "object", type = t }
	elseif kind == "float" then
		return { kind = floats[t.size] or "long double" }
	elseif kind == "struct" or kind == "union" or kind == "array" then
		return { kind = "object", type = t }
	end
end

-- stack: from rsp, where the return address is.
local function argument_of(parameter, t, as_declared)
	local argument = {
		name = parameter.name ~= "" and parameter.name or nil,
		what = what_of(t, parameter.text, as_declared),
		stack = parameter.stack and parameter.stack + 8,
	}
	if argument.what and argument.what.kind == "object" then
		argument.parts = parameter.parts
	elseif parameter.parts then
		local name = parameter.parts[1]
		argument[name:find "^xmm" and "vector" or "register"] = name
	end
	return argument.what and argument
end

local function result_of(result, t, as_declared)
	local what = what_of(t, result.text, as_declared)
	if what and what.kind == "object" then
		what.parts = result.parts
	end
	return what
end

local function general_registers(parameters)
	local n = 0
	for _, parameter in ipairs(parameters) do
		for _, name in ipairs(parameter.parts or {}) do
			n = n + (name:find "^xmm" and 0 or 1)
		end
	end
	return n
end

-- Of the function that begins at address: {name, result, arguments, rest}; nil when no debug information says. rest: of
-- a function with `...`, the number of the first register behind its own arguments.
function M.of(session, address, as_declared)
	local found = core.signature(session, address)
	if not found then
		return nil
	end
	local list, arguments = types.link(found.types), {}
	for i, parameter in ipairs(found) do
		arguments[i] = argument_of(parameter, list[parameter.type], as_declared)
		if not arguments[i] then
			return nil
		end
	end
	local result = found.result
	return {
		name = found.name, arguments = arguments,
		result = result and result_of(result, list[result.type], as_declared)
			or as_declared and { kind = "void" } or nil,
		rest = found.variadic and general_registers(found) + 1 or nil,
	}
end

return M
