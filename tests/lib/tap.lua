-- tap - busted's results as TAP, into a file (-Xoutput FILE): standard output belongs to the targets.

local pretty = require "pl.pretty"

return function(options)
	local busted = require "busted"
	local handler = require "busted.outputHandlers.base"()
	local file = assert(io.open(options.arguments[1], "w"))
	local count = 0

	local function write(format, ...)
		file:write(format:format(...), "\n")
		file:flush()
	end

	local function comment(text)
		if type(text) ~= "string" then text = pretty.write(text) end
		write("# %s", (text:gsub("\n", "\n# ")))
	end

	local function failure(entry)
		count = count + 1
		write("not ok %d - %s", count, entry.name)
		local trace = entry.element.trace
		if trace then write("# %s:%s", trace.short_src, trace.currentline) end
		comment(entry.message or "nil error")
		if entry.trace and entry.trace.traceback then comment(entry.trace.traceback) end
	end

	busted.subscribe({ "test", "end" }, function(_, _, status)
		if status == "success" then
			count = count + 1
			write("ok %d - %s", count, handler.successes[#handler.successes].name)
		elseif status == "pending" then
			local entry = handler.pendings[#handler.pendings]
			count = count + 1
			write("ok %d - %s # SKIP %s", count, entry.name, entry.message or "no reason given")
		elseif status == "failure" then
			failure(handler.failures[#handler.failures])
		else
			failure(handler.errors[#handler.errors])
		end
		return nil, true
	end)

	busted.subscribe({ "error" }, function(element)
		if element.descriptor ~= "it" then failure(handler.errors[#handler.errors]) end
		return nil, true
	end)

	busted.subscribe({ "suite", "end" }, function()
		write("1..%d", count)
		return nil, true
	end)

	return handler
end
