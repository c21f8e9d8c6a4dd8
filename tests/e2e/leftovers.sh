#!/bin/bash
# Nothing is left after runs: no process, zombie or descriptor, and no memory for sessions that are over. (That no
# process outlives a test is what the harness checks after each of them, in every file.)
. "$(dirname "$0")/../lib/e2e.sh"
. "$(dirname "$0")/common.bash"
limit=60

# What a script counts of its own process.
counting='
	local ffi = require "ffi"
	ffi.cdef "int getpid(void); int fcntl(int fd, int command, ...);"
	local self = "/proc/" .. ffi.C.getpid()
	local function read(path)
		local file = assert(io.open(path))
		local text = file:read "*a"
		file:close()
		return text
	end
	function descriptors()
		local open = {}
		for fd = 0, 255 do
			if ffi.C.fcntl(fd, 1) >= 0 then open[#open + 1] = fd end
		end
		return table.concat(open, " ")
	end
	function same_descriptors(before, when)
		local now = descriptors()
		assert(now == before, ("descriptors %s: %s, were %s"):format(when, now, before))
	end
	function children() return read(self .. "/task/" .. ffi.C.getpid() .. "/children") end
	function kilobytes()
		collectgarbage() collectgarbage()
		return tonumber(read(self .. "/status"):match "VmRSS:%s*(%d+)")
	end
	local targets = os.getenv "TARGETS" .. "/"
	function target(name, ...)
		return spawn{targets .. name, ..., stdin = "null", stdout = "null", stderr = "null"}
	end'

in_script() {
	printf '%s\n' "$counting" "$1" >script.lua
	run "$PTRACEHOOK" script.lua
	expect_status 0
	expect_stderr ''
	expect_stdout "${2-}"
}

test_sessions_leave_no_descriptors_and_no_children() {
	in_script '
		local ways = {
			function() target("calc_pie"):run() end,
			function() local s = target "calc_pie" s:bp("calc", STOP) s:run() s:kill() end,
			function() local s = target "calc_pie" s:bp("calc", KILL) s:run() end,
			function() local s = target "threads8" s:bp("work", function(_, b) if b.hits == 20 then return KILL end end) s:run() end,
			function() local s = target("busy", "4") s:run{timeout = 0.002} s:kill() end,
			function() target("forker", "all"):run() end,
			function() local s = target("exits", "segv") s:run() end,
			function() local s = target("exits", "main_thread_exit") s:run() end,
			function() local s = target("execer", "thread", "2") s:bp("marker", function() end) s:run() end,
			function() local s = target "calc_pie" s:bp("calc", function() error "x" end) assert(not pcall(s.run, s)) end,
			function() assert(not pcall(spawn, "/no/such/program")) end,
			function() assert(not pcall(spawn, targets .. "notexec")) end,
			function() assert(not pcall(spawn, targets .. "hello32")) end,
			function() assert(not pcall(spawn, targets .. "truncated")) end,
			function() assert(not pcall(spawn, { "true", cwd = "/no/such/folder" })) end,
			function() assert(not pcall(spawn, { "true", stdin = { file = "/no/such/file" } })) end,
			function() assert(not pcall(attach, 2147483647)) end,
			function() spawn{"cat", stdin = { data = ("x"):rep(1e5) }, stdout = "null"}:run() end,
		}
		local before = descriptors()
		for i, way in ipairs(ways) do
			for _ = 1, 3 do way() end
			same_descriptors(before, "after way " .. i)
		end
		assert(children() == "", children())' ''
}

# Its end, once it is let go, is for us to read: nobody else may.
test_a_spawned_target_that_was_let_go_leaves_no_zombie() {
	in_script '
		for _ = 1, 5 do
			local s = target "calc_pie"
			s:bp("calc", DETACH)
			assert(s:run().kind == "detach")
		end
		-- They end by themselves; later sessions give us the occasion to see it.
		for _ = 1, 500 do
			if children() == "" then break end
			target "calc_pie":run()
		end
		assert(children() == "", "left: " .. children())' ''
}

test_a_session_that_is_forgotten_stays_open_until_the_end() {
	in_script '
		for _ = 1, 5 do target "sleeper" end
		collectgarbage() collectgarbage()
		print(select(2, children():gsub("%d+", "")))' 5
}

test_attaching_leaves_nothing() {
	start_target busy 4
	in_script "
		local before = descriptors()
		for i = 1, 30 do
			local s = attach($target)
			s:bp('tick', function() end)
			s:run{timeout = 0.001}
			s:detach()
		end
		same_descriptors(before, 'after 30 attaches')
		assert(children() == '', children())" ''
	expect_unharmed
	expect_busy_goes_on
}

# 1,000 sessions use no more memory than 100, but for what the allocator's own arenas wobble.
test_a_thousand_sessions_use_no_more_memory_than_a_hundred() {
	[ "$BUILD" = release ] || skip "AddressSanitizer keeps freed memory for a while"
	in_script '
		local function many(n)
			for _ = 1, n do
				local s = target("calc_pie", "1", "2")
				s:bp("calc", function() return regs.rdi == 1 and CONTINUE or STOP end)
				s:on("exit", function() end)
				s:run()
			end
		end
		many(100)
		local before, open = kilobytes(), descriptors()
		many(900)
		local growth = kilobytes() - before
		assert(growth < 1024, "grew by " .. growth .. " kB")
		same_descriptors(open, "after 900 more sessions")
		assert(children() == "", children())' ''
}

test_many_breakpoints_and_hits_use_no_more_memory() {
	[ "$BUILD" = release ] || skip "AddressSanitizer keeps freed memory for a while"
	in_script '
		local function many(n)
			local s = target("threads8", "2", tostring(n))
			s:bp("work", function(thread)
				local again = bp("work_middle", function() end)
				mem.read(regs.rsp, 64) mem.u64[regs.rsp] = mem.u64[regs.rsp]
				again:remove()
			end)
			s:run()
		end
		many(500)
		local before = kilobytes()
		many(3000)
		local growth = kilobytes() - before
		assert(growth < 1024, "grew by " .. growth .. " kB")' ''
}

test_no_files_are_left_behind() {
	mkdir empty
	run env TMPDIR="$PWD/empty" HOME="$PWD/empty" "$PTRACEHOOK" -e 'bp("calc", function() end)' -- "$TARGETS/calc_pie"
	expect_status 0
	[ -z "$(ls -A empty)" ] || fail "left behind: $(ls -A empty)"
}

e2e_main "$@"
