-- types - types out of debug information, as tables that refer to each other.
--
-- A type is {kind, name, size, self, …} as core/bind/types.c makes it, with `element` (of arrays and made-up pointers)
-- and the `type` of members as tables, and the serial number of the debug information that it is of. What a pointer
-- leads to is read when somebody follows it.

local core = require "ptracehook.core"
local check = require "ptracehook.check"

local M = {}

local known = setmetatable({}, { __mode = "v" }) -- by serial and reference: types that somebody still uses

local function key_of(serial, ref)
	return ("%d:%.0f"):format(serial, ref)
end

-- The list of types that the engine gave, linked.
function M.link(list)
	for _, t in ipairs(list) do
		t.serial = list.serial
		t.element = t.element and list[t.element]
		for _, member in ipairs(t.members or {}) do
			member.type = list[member.type]
		end
		if t.self > 0 then
			known[key_of(t.serial, t.self)] = t
		end
	end
	return list
end

function M.find(target, what, text)
	local list, why = core.type_find(target, check.string(what .. ": type", text))
	if not list then
		check.fail("%s: %s", what, why)
	end
	return M.link(list)[1]
end

-- The type behind a reference; ref 0: void.
local void = { kind = "void", name = "void", size = 0, self = 0, serial = 0 }
function M.follow(pid, serial, ref)
	if ref == 0 then
		return void
	end
	local t = known[key_of(serial, ref)]
	if not t or t.incomplete then
		t = M.link(core.type_follow(pid, serial, ref))[1]
		known[key_of(serial, ref)] = t
	end
	return t
end

-- A pointer's target as what a pointer of the target's carries: the reference of a type, and how many pointers to it
-- that makes beyond one.
function M.target_of(pointer)
	local stars = 0
	while not pointer.ref and pointer.element and pointer.element.kind == "pointer" and pointer.element.self == 0 do
		pointer, stars = pointer.element, stars + 1
	end
	return pointer.ref or pointer.element and pointer.element.self or 0, stars
end

-- What a pointer with these leads to.
function M.behind(pid, serial, ref, stars)
	if stars == 0 then
		return M.follow(pid, serial, ref)
	end
	local inner = M.behind(pid, serial, ref, stars - 1)
	return {
		kind = "pointer", name = inner.name .. (inner.name:find "%*$" and "*" or " *"), size = 8, self = 0, serial = serial,
		ref = stars == 1 and ref or nil, element = stars > 1 and inner or nil,
	}
end

-- Fields by name, and in their order; those of members without a name, and of bases, are the structure's own unless it
-- has one of that name.
local function add_fields(fields, order, t, offset, top)
	local later = {}
	for _, member in ipairs(t.members) do
		local field = {
			name = member.name, type = member.type, offset = offset + member.offset, bit = member.bit, bits = member.bits,
			base = member.base,
		}
		local is_open = member.type.kind == "struct" or member.type.kind == "union"
		if top then
			order[#order + 1] = field
		end
		if member.name ~= "" and not fields[member.name] then
			fields[member.name] = field
		end
		if is_open and (member.name == "" or member.base) then
			later[#later + 1] = field
		end
	end
	for _, field in ipairs(later) do
		add_fields(fields, order, field.type, field.offset, false)
	end
end

function M.fields(t)
	if not t.fields then
		t.fields, t.order = {}, {}
		add_fields(t.fields, t.order, t, 0, true)
	end
	return t.fields, t.order
end

-- An enumerator's name, or nil; and the other way round.
function M.name_of(t, value)
	if not t.names then
		t.names, t.values = {}, {}
		for _, enumerator in ipairs(t.enumerators) do
			local number = tonumber(enumerator.value)
			t.names[number] = t.names[number] or enumerator.name
			t.values[enumerator.name] = number
		end
	end
	return t.names[value]
end

function M.value_of(t, name)
	M.name_of(t, 0)
	return t.values[name]
end

return M
