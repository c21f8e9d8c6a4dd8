-- terminfo - terminals that this machine does not know by their name.
--
-- Readline takes an unknown one for a dumb one, whose long lines scroll sideways; but today's are all much like xterm.

local M = {}

local folders = { "/etc/terminfo", "/lib/terminfo", "/usr/share/terminfo", "/usr/lib/terminfo" }

local function is_known(name)
	local list = { os.getenv "TERMINFO", (os.getenv "HOME" or "") .. "/.terminfo", unpack(folders) }
	for i = 1, #folders + 2 do
		for _, form in ipairs { "%s/%s/%s", "%s/%02x/%s" } do
			local folder = list[i]
			local first = form == "%s/%s/%s" and name:sub(1, 1) or name:byte()
			local file = folder and io.open(form:format(folder, first, name), "rb")
			if file then
				file:close()
				return true
			end
		end
	end
	return false
end

-- What to take $TERM for, or nil: for what it is.
function M.stand_in(name)
	if not name or name == "" or name == "dumb" or name:find "/" or is_known(name) then
		return nil
	end
	for _, other in ipairs { name:find "^tmux" and "screen" or "xterm", "xterm", "vt100" } do
		if is_known(other) then
			return other
		end
	end
end

return M
