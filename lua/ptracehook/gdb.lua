-- gdb - GDB on the target as it stands, and the target back when GDB leaves.

local core = require "ptracehook.core"
local check = require "ptracehook.check"
local number = require "ptracehook.number"

local M = {}

local known = { args = true }

-- To a target that it finds stopped GDB reports that stop when it first continues, once or twice: that is ours, and no
-- news. In Python for want of a command that selects by the kernel's id; a GDB without it says so, and begins at the
-- first thread.
local BEGIN = "python gdb.execute('handle SIGSTOP nostop noprint nopass', to_string=True); "
	.. "[t.switch() for t in gdb.selected_inferior().threads() if t.ptid[1] == %d]"

function M.run(thread, options)
	options = check.options("gdb", options, known)
	if not thread then
		check.fail "gdb: the session has ended: its target is gone or was let go"
	elseif getmetatable(thread) ~= "Thread" then
		check.fail("gdb: thread: Thread expected, got %s", number.show(thread))
	end
	local pid, tid = thread.process.pid, thread.tid
	local args = { "-q", "-p", tostring(pid), "-ex", BEGIN:format(tid) }
	-- GDB has shown where the first one stands.
	if tid ~= pid then
		args[#args + 1] = "-ex"
		args[#args + 1] = "frame"
	end
	for i, arg in ipairs(check.table("gdb: args", options.args or {})) do
		args[#args + 1] = check.string(("gdb: args: %d"):format(i), arg)
	end
	return (core.gdb(thread, args))
end

return M
