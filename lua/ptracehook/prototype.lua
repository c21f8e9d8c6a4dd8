-- prototype - a C declaration of a function, as hook() and replace() take it: what its arguments and result are, and
-- where the System V ABI for AMD64 puts them.
--
-- Pure: text in, a table out. Integers, enums, bool, float, double and pointers; what is passed in other ways (long
-- double, structures by value, vectors) is an error that says so. Unknown names of types are taken where a `*` follows.

local M = {}

-- Kinds: "int" (size, signed), "bool", "float", "double", "string" (const char *), "pointer", "void".
local function int(size, signed)
	return { kind = "int", size = size, signed = signed }
end

local simple = {
	void = { kind = "void" }, bool = { kind = "bool" }, _Bool = { kind = "bool" },
	float = { kind = "float" }, double = { kind = "double" },
	size_t = int(8, false), ssize_t = int(8, true), ptrdiff_t = int(8, true), off_t = int(8, true), off64_t = int(8, true),
	loff_t = int(8, true), time_t = int(8, true), clock_t = int(8, true), pid_t = int(4, true), uid_t = int(4, false),
	gid_t = int(4, false), id_t = int(4, false), mode_t = int(4, false), dev_t = int(8, false), ino_t = int(8, false),
	nlink_t = int(8, false), socklen_t = int(4, false), useconds_t = int(4, false), suseconds_t = int(8, true),
	wchar_t = int(4, true), wint_t = int(4, false), char16_t = int(2, false), char32_t = int(4, false),
	clockid_t = int(4, true), key_t = int(4, true), rlim_t = int(8, false), nfds_t = int(8, false),
	sa_family_t = int(2, false), in_addr_t = int(4, false), in_port_t = int(2, false), pthread_t = int(8, false),
	va_list = { kind = "pointer" },
}
for _, size in ipairs { 1, 2, 4, 8 } do
	simple["int" .. size * 8 .. "_t"] = int(size, true)
	simple["uint" .. size * 8 .. "_t"] = int(size, false)
end
simple.intptr_t, simple.uintptr_t = int(8, true), int(8, false)
simple.intmax_t, simple.uintmax_t = int(8, true), int(8, false)

-- How C++ spells those that are names for others, in demangled names.
local by_size = { [1] = "char", [2] = "short", [4] = "int", [8] = "long" }
local own_types = {
	wchar_t = true, char16_t = true, char32_t = true, void = true, bool = true, float = true, double = true,
}

local function spelling_of_name(name)
	local what = simple[name]
	if name == "_Bool" then
		return "bool"
	elseif name == "va_list" then
		return "__va_list_tag*"
	elseif own_types[name] or not what then
		return name
	end
	local word = by_size[what.size]
	return what.signed and (what.size == 1 and "signed char" or word) or "unsigned " .. word
end

local function spelling_of_words(count)
	local word = count.char and "char" or count.short and "short" or (count.long or 0) > 1 and "long long"
		or count.long and "long" or "int"
	return count.unsigned and "unsigned " .. word or count.char and count.signed and "signed char" or word
end

local qualifiers = {
	const = true, volatile = true, restrict = true, __restrict = true, extern = true, static = true, inline = true,
	register = true, __const = true, _Noreturn = true,
}
local number_words = { char = true, short = true, int = true, long = true, signed = true, unsigned = true }

local function tokens_of(text)
	local tokens, at = {}, 1
	while true do
		at = text:find("%S", at)
		if not at then
			return tokens
		end
		local token = text:match("^[%a_][%w_]*", at) or text:match("^%.%.%.", at) or text:match("^%d+", at)
			or text:match("^[*(),%[%]&;]", at)
		if not token then
			return nil, ("'%s' belongs in no C prototype"):format(text:match("^[^%w%s]", at) or text:sub(at, at))
		end
		tokens[#tokens + 1] = token
		at = at + #token
	end
end

-- Parsing stops by error(words of its own), caught in M.parse.
local Words = {}

local function fail(...)
	error(setmetatable({ message = string.format(...) }, Words), 0)
end

local function of_number_words(count)
	if count.char then
		return int(1, not count.unsigned)
	elseif count.short then
		return int(2, not count.unsigned)
	elseif count.long then
		return int(8, not count.unsigned)
	end
	return int(4, not count.unsigned)
end

-- Specifiers up to the declarator: a type, const or not, its name, where it goes on; and its spelling in C++, alone,
-- and with const and volatile.
local function specifiers(tokens, at)
	local count, base, is_const, name = {}, nil, false, nil
	local word, is_volatile
	while tokens[at] do
		local token = tokens[at]
		if token == "const" or token == "__const" then
			is_const = true
		elseif token == "volatile" then
			is_volatile = true
		elseif not qualifiers[token] and (token == "struct" or token == "union" or token == "enum") then
			if base or next(count) then
				break
			end
			at = at + 1
			name = token .. " " .. (tokens[at] or "")
			base = token == "enum" and int(4, false) or { kind = "aggregate", name = name }
			word = tokens[at]
		elseif not qualifiers[token] and number_words[token] and not base then
			count[token] = (count[token] or 0) + 1
		elseif token == "double" and count.long then
			base = { kind = "aggregate", name = "long double" }
			word = "long double"
			count = {}
		elseif not qualifiers[token] and not base and not next(count) and token:find "^[%a_]" then
			name = token
			base = simple[token] or { kind = "unknown", name = token }
			word = spelling_of_name(token)
		elseif not qualifiers[token] then
			break
		end
		at = at + 1
	end
	if next(count) then
		base = of_number_words(count)
		word = spelling_of_words(count)
		name = count.char and not count.unsigned and not count.signed and "char" or "integer"
	end
	local qualified = (word or "") .. (is_const and " const" or "") .. (is_volatile and " volatile" or "")
	return base, is_const, name, at, word, qualified
end

local function pointer_to(base, is_const, name)
	if name == "char" and is_const then
		return { kind = "string" }
	end
	return { kind = "pointer", to = base }
end

-- What may be passed in registers; where says what it is, for errors.
local function usable(what, where)
	if what.kind == "aggregate" then
		fail("%s: %s by value is not passed as integers are: give it as a pointer, or let debug information say (the "
			.. "function's name in place of a prototype)", where, what.name)
	elseif what.kind == "unknown" then
		fail("%s: there is no type '%s'; a pointer to it would do, or one of C's own types", where, what.name)
	end
	return what
end

-- One parameter from at: its type and name, where it ends, at "," or ")", and its spelling in C++; nil: not known.
local function parameter(tokens, at, index)
	local base, is_const, name, behind, word, qualified = specifiers(tokens, at)
	local depth, stars = 0, 0
	local spelling, behind_star = qualified, ""
	at = behind
	if not base then
		fail("argument %d has no type", index)
	end
	local what, own = base, nil
	while tokens[at] and not (depth == 0 and (tokens[at] == "," or tokens[at] == ")")) do
		local token = tokens[at]
		if token == "*" or token == "&" or token == "[" then
			stars = stars + 1
			what = stars == 1 and pointer_to(base, is_const, name) or { kind = "pointer" }
			spelling, behind_star = spelling .. behind_star .. (token == "&" and "&" or "*"), ""
		elseif token == "const" or token == "volatile" then
			behind_star = behind_star .. " " .. token
		end
		if token == ";" then
			fail("argument %d: ';' is in the wrong place", index)
		elseif token == "(" then
			depth = depth + 1
			what = { kind = "pointer" } -- to a function
			word = nil
		elseif token == ")" then
			depth = depth - 1
		elseif token:find "^[%a_]" and not qualifiers[token] and depth <= 1 and not own then
			own = token
		end
		at = at + 1
	end
	return what, own, at, word and (stars > 0 and spelling or word)
end

local function is_void_alone(tokens, at)
	return tokens[at] == ")" or tokens[at] == "void" and tokens[at + 1] == ")"
end

local function parameters(tokens, at)
	local list, variadic = {}, false
	if is_void_alone(tokens, at) then
		return list, false, tokens[at] == ")" and at + 1 or at + 2
	end
	while true do
		if tokens[at] == "..." then
			variadic = true
			at = at + 1
		else
			local what, name, spelling
			what, name, at, spelling = parameter(tokens, at, #list + 1)
			if what.kind == "void" then
				fail("argument %d cannot be void", #list + 1)
			end
			what = usable(what, "argument " .. #list + 1)
			list[#list + 1] = { what = what, name = name, spelling = spelling }
		end
		if tokens[at] == ")" then
			return list, variadic, at + 1
		elseif tokens[at] ~= "," then
			fail("the list of arguments does not end: a ')' is missing")
		end
		at = at + 1
	end
end

local function parse(text)
	local tokens, why = tokens_of(text)
	if not tokens then
		fail("%s", why)
	end
	local base, is_const, name, at = specifiers(tokens, 1)
	if not base then
		fail("it does not begin with the type of its result")
	end
	local what, stars = base, 0
	while tokens[at] == "*" or qualifiers[tokens[at]] do
		if tokens[at] == "*" then
			stars = stars + 1
			what = stars == 1 and pointer_to(base, is_const, name) or { kind = "pointer" }
		end
		at = at + 1
	end
	local own
	if tokens[at] and tokens[at]:find "^[%a_]" then
		own = tokens[at]
		at = at + 1
	elseif tokens[at] == "(" and tokens[at + 1] == "*" and tokens[at + 2] == ")" then
		at = at + 3
	end
	if tokens[at] ~= "(" then
		fail("a '(' with the arguments is missing")
	end
	local list, variadic
	list, variadic, at = parameters(tokens, at + 1)
	if tokens[at] == ";" then
		at = at + 1
	end
	if tokens[at] then
		fail("'%s' stands behind its end", tokens[at])
	end
	return { name = own, result = usable(what, "the result"), arguments = list, variadic = variadic }
end

local integer_registers = { "rdi", "rsi", "rdx", "rcx", "r8", "r9" }

-- Where each argument is when the function is entered: place.register, place.vector or place.stack (from rsp).
local function assign(arguments)
	local integers, vectors, stack = 0, 0, 8
	for _, argument in ipairs(arguments) do
		local floating = argument.what.kind == "float" or argument.what.kind == "double"
		if floating and vectors < 8 then
			argument.vector = "xmm" .. vectors
			vectors = vectors + 1
		elseif not floating and integers < 6 then
			integers = integers + 1
			argument.register = integer_registers[integers]
		else
			argument.stack = stack
			stack = stack + 8
		end
	end
end

-- {name, result, arguments = {{what, name, register | vector | stack}, …}, variadic}; or nil and why not.
function M.parse(text)
	local ok, result = pcall(parse, text)
	if ok then
		assign(result.arguments)
		return result
	elseif getmetatable(result) == Words then
		return nil, result.message
	end
	error(result, 0)
end

-- "f(int, char const*)": what C++ calls a function that is declared so; nil when that is not known.
function M.name_in_cxx(proto)
	local words = {}
	for i, argument in ipairs(proto.arguments) do
		if not argument.spelling then
			return nil
		end
		words[i] = argument.spelling
	end
	words[#words + 1] = proto.variadic and "..." or nil
	return ("%s(%s)"):format(proto.name, table.concat(words, ", "))
end

return M
