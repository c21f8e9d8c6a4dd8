-- our_names - the functions on a thread's stack as gdb_names.py has them: "NAME@START", the innermost first.
return function(thread)
	local found = {}
	for i, frame in ipairs(backtrace(thread)) do
		if frame.signal then
			found[i] = "<signal>@"
		elseif not frame.symbol then
			found[i] = "??@"
		else
			found[i] = frame.symbol .. "@" .. (frame.inlined and "" or hex(frame.address - frame.offset))
		end
		if i == 200 then break end
	end
	return table.concat(found, "\t")
end
