-- Snapshots: the target `again` does between begin() and done() what has to be undone, and says in `report` what it
-- saw.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local INPUT = "one\ntwo\nthree\nfour\nfive\n"
local many = os.getenv "LONG" and 10000 or 100

local function input_file()
	return support.write(support.temporary(), INPUT)
end

-- Stopped in begin(), with breakpoints that stop in both places.
local function spawn_again(...)
	local s = support.spawn { "again", ..., stdin = { file = input_file() } }
	s:bp("begin", STOP)
	s:bp("done", STOP)
	assert.equal("stop", s:run().kind)
	return s
end

local function report_of(s)
	return s.mem.cstr(s:sym "report")
end

-- Runs to done() and goes back, n times: the report is always the same.
local function repeat_runs(s, n)
	local snap = s:snapshot()
	local first
	for i = 1, n do
		local reason = s:run()
		assert.equal("stop", reason.kind, "run " .. i)
		first = first or report_of(s)
		assert.equal(first, report_of(s), "run " .. i)
		snap:restore()
	end
	return first, snap
end

describe("a snapshot", function()
	after_each(function()
		policy { snapshots = "auto" }
		support.close()
	end)

	for _, part in ipairs { "heap", "read", "files", "print", "memory", "brk", "tls", "mask", "stack", "code" } do
		it("brings back " .. part .. ", each time", function()
			for _, way in ipairs { "auto", "compare" } do
				policy { snapshots = way }
				local s = spawn_again(part)
				repeat_runs(s, 10)
				assert.equal("stop", s:run().kind)
				assert.same({ kind = "exit", code = 0 }, s:run())
				s:close()
			end
		end)
	end

	it("makes the same run of a program that does everything, again and again", function()
		local s = spawn_again()
		repeat_runs(s, many)
		assert.equal("stop", s:run().kind)
		local report = report_of(s)
		assert.same({ kind = "exit", code = 0 }, s:run())
		-- What was printed in runs that were undone was printed over.
		assert.equal("printed 5\n" .. report, support.output(s))
		assert(report:find("regs 0 3.141593\n", 1, true), report)
	end)

	it("puts back what was read from a pipe", function()
		local path = support.temporary()
		local command = ("printf 'one\\ntwo\\nthree\\nfour\\n' | %s %s -e '%s' -- %s read >%s"):format(
			os.getenv "PTRACEHOOK" or "build/release/ptracehook", "", [[
				bp("begin", STOP) bp("done", STOP) run()
				local snap, first = snapshot(), nil
				for i = 1, 20 do
					run()
					first = first or mem.cstr(sym "report")
					assert(mem.cstr(sym "report") == first)
					snap:restore()
				end
				run()
				io.stdout:write(mem.cstr(sym "report"))
			]], support.target "again", path)
		assert.equal(0, os.execute(command))
		assert(support.read(path):find("input one\nline two\n", 1, true), support.read(path))
	end)

	it("takes back what was sent, read or not, in runs that made calls or none", function()
		local s = support.spawn { "reader", stdin = "pipe" }
		s:run_to "main"
		local snap = s:snapshot()
		for i = 1, 20 do
			s.stdin:write(("x"):rep(i % 5 * 50000))
			snap:restore()
		end
		s.io:send_line "last"
		s.stdin:close()
		assert.equal("exit", s:run().kind)
		assert.equal("got: last\nlines 1\n", support.output(s))
	end)

	it("brings back what had been sent before, also what the pipe had no room for", function()
		local s = support.spawn { "reader", stdin = "pipe", stdout = "pipe" }
		s:run_to "main"
		s.stdin:write((("x"):rep(99) .. "\n"):rep(2000))
		local snap = s:snapshot()
		for _ = 1, 3 do
			for _ = 1, 2000 do
				assert(s.stdout:recv_line(10))
			end
			assert.same({ nil, "timeout" }, { s.stdout:recv(1, 0) })
			snap:restore()
		end
	end)

	it("goes on past the breakpoint whose hook took it, without another hit", function()
		local s = support.spawn { "crackme_argv", "x" }
		local hits, snap = 0, nil
		local b = s:bp("main", function()
			hits = hits + 1
			snap = snapshot()
		end)
		local after = 0
		s:bp("main+1", function()
			after = after + 1
			if after < 5 then
				snap:restore()
			end
		end)
		s:run()
		assert.equal(1, hits)
		assert.equal(1, b.hits)
		assert.equal(5, after)
	end)

	it("is taken where a call returns, and its hooks look at that on", function()
		local s = spawn_again "read"
		local snap, seen
		s:on("syscall", "read", { leave = function(sc)
			if not snap then
				local before = sc.ret
				snap = s:snapshot()
				seen = ("%s %s"):format(sc.name, sc.ret == before)
			end
		end })
		assert.equal("stop", s:run().kind)
		assert.equal("read true", seen)
		local first = report_of(s)
		for _ = 1, 3 do
			snap:restore()
			assert.equal("stop", s:run().kind)
			assert.equal(first, report_of(s))
		end
	end)

	it("has a hook's action not applied, when that restored", function()
		local s = spawn_again "tls"
		local snap = s:snapshot()
		for _, b in ipairs(s:bps()) do
			b:remove()
		end
		local n = 0
		for _, action in ipairs { STOP, SKIP, RETURN(5), GOTO(0x1000), SIGNAL "SIGKILL", CONTINUE } do
			s:bp("done", function()
				n = n + 1
				snap:restore()
				return action
			end, { once = true })
		end
		-- Those at one place are called one after another: the first that restores is the last.
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.equal(6, n)
	end)

	it("keeps breakpoints, patches and what scripts know as they are", function()
		local s = spawn_again "tls"
		local snap = s:snapshot()
		s:run()
		local at = s:sym "deep"
		local p = s:patch("deep", "\x90")
		local b = s:bp("sleep_not_there", STOP, { pending = true })
		local hits = 0
		local c = s:bp("deep+1", function() hits = hits + 1 end)
		snap:restore()
		assert.equal(0x90, s.mem.u8[at])
		assert.is_true(p.active)
		assert.is_true(c.enabled)
		p:restore()
		assert(s.mem.u8[at] ~= 0x90)
		b:remove()
		assert.equal("stop", s:run().kind)
	end)

	it("takes a patch of before it out, and that stays out", function()
		local s = spawn_again "tls"
		local at = s:sym "deep"
		local original = s.mem.u8[at]
		local p = s:patch("deep", "\x90")
		local snap = s:snapshot()
		p:restore()
		snap:restore()
		assert.equal(original, s.mem.u8[at])
	end)

	it("may be one of several, in any order", function()
		local s = spawn_again "tls"
		local at = s:sym "counts"
		local snaps = {}
		for i = 1, 4 do
			s.mem.i64[at] = i
			snaps[i] = s:snapshot()
		end
		for _, i in ipairs { 3, 1, 4, 2, 2, 4, 1, 3, 1, 1, 1, 2 } do
			snaps[i]:restore()
			assert.equal(i, tonumber(s.mem.i64[at]))
			s.mem.i64[at] = 99
		end
	end)

	it("holds writes by the script too", function()
		local s = spawn_again "heap"
		local snap = s:snapshot()
		local at = s:sym "report"
		for i = 1, 50 do
			s.mem.write(at + i * 100, "changed")
			snap:restore()
			assert.equal(("\0"):rep(7), s.mem.read(at + i * 100, 7))
		end
	end)

	it("undoes what a script wrote where the program does not, and calls that it made", function()
		local s = spawn_again "heap"
		local code = s:sym "main"
		local byte = s.mem.u8[code]
		local snap = s:snapshot()
		local first
		for _ = 1, 3 do
			s.mem.u8[code] = 0xc3
			local fd = s.syscall.openat(-100, "/dev/null", 0)
			first = first or fd
			assert(fd >= 0 and fd == first)
			snap:restore()
			assert.equal(byte, s.mem.u8[code])
			assert.equal(0, #snap:diff())
			assert.equal("stop", s:run().kind)
		end
	end)

	it("ends threads that came since, and has the others go on", function()
		local s = support.spawn { "again", "threads" }
		s:bp("begin", STOP)
		s:bp("done", STOP)
		s:run()
		local snap, counts = s:snapshot(), s:sym "counts"
		local before = s.mem.read(counts, 32)
		for _ = 1, 10 do
			assert.equal("stop", s:run().kind)
			assert.equal(5, #s:threads())
			snap:restore()
			assert.equal(4, #s:threads())
			assert.equal(before, s.mem.read(counts, 32))
		end
		-- All of them run on.
		s:bp("done", function()
			for i = 0, 3 do
				if s.mem.i64[counts + 8 * i] == 0 then
					return STOP
				end
			end
		end)
		assert.equal("stop", s:run().kind)
		assert(s.mem.i64[counts + 24] > 0)
	end)

	it("is restored in a hook while other threads run", function()
		local s = support.spawn { "again", "threads" }
		local snap, n = nil, 0
		s:bp("begin", function() snap = snapshot() end)
		s:bp("done", function()
			n = n + 1
			if n <= 20 then
				snap:restore()
				assert.equal(4, #s:threads())
			end
		end)
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.equal(21, n)
		assert.equal("ready\ncounted\n", support.output(s))
	end)

	it("undoes a crash, and its signal is not delivered later", function()
		for _, part in ipairs { "crash", "crash_late" } do
			local s = spawn_again(part)
			local snap, crashes = s:snapshot(), 0
			s:on("signal", "SIGSEGV", function() crashes = crashes + 1 return STOP end)
			for i = 1, 5 do
				assert.equal("signal", s:run().event)
				snap:restore()
				s:step()
				assert.equal(i, crashes)
				snap:restore()
			end
			s:close()
		end
	end)

	it("undoes an exit that was seen coming", function()
		local s = support.spawn { "again", "exits" }
		s:on("syscall", "exit_group", function(sc) return sc.args[1] ~= 100 and STOP or nil end)
		s:bp("begin", STOP)
		s:run()
		local snap = s:snapshot()
		for code = 90, 100 do
			s.mem.i64[s:sym "code"] = code
			local reason = s:run()
			if code == 100 then
				assert.same({ kind = "exit", code = 100 }, reason)
			else
				assert.equal("stop", reason.kind)
				assert.equal(code, tonumber(reason.sc.args[1]))
				snap:restore()
			end
		end
	end)

	-- How tests/targets/exits.c ends, seccomp or not, and the reason.
	for how, expected in pairs {
		["code 7"] = { kind = "exit", code = 7 }, ["signal 15"] = { kind = "signal", signal = "SIGTERM" },
		["signal 11"] = { kind = "signal", signal = "SIGSEGV" }, abort = { kind = "signal", signal = "SIGABRT" },
		segv = { kind = "signal", signal = "SIGSEGV" }, exit_thread = { kind = "exit", code = 5 },
		["thread_signal 10"] = { kind = "signal", signal = "SIGUSR1" },
	} do
		for _, seccomp in ipairs { "auto", "off" } do
			it("undoes the end, whatever it was: " .. how .. ", seccomp " .. seccomp, function()
				local s = support.spawn(support.words("exits " .. how))
				s:policy { seccomp = seccomp }
				local told = 0
				s:on("exit", function(_, reason)
					assert(reason.kind == expected.kind)
					told = told + 1
				end)
				s:run_to "main"
				local snap = s:snapshot()
				for i = 1, 5 do
					local reason = s:run()
					assert.same({ expected.kind, expected.code, expected.signal }, { reason.kind, reason.code, reason.signal })
					assert.equal(expected.kind, s:run().kind)
					assert.equal(i, told)
					assert.is_false(s.ended)
					snap:restore()
				end
				s:run()
				snap = nil -- luacheck: ignore 311
				collectgarbage()
				collectgarbage()
				assert.equal(expected.kind, s:run().kind)
				assert.is_true(s.ended)
				assert.equal(6, told)
			end)
		end
	end

	it("undoes the end in a hook that is told of it, and the run goes on", function()
		for _, how in ipairs { "code 7", "abort", "segv" } do
			for _, seccomp in ipairs { "auto", "off" } do
				local s = support.spawn(support.words("exits " .. how))
				s:policy { seccomp = seccomp }
				local snap, told = nil, 0
				s:bp("main", function() snap = snapshot() end)
				s:on("exit", function()
					told = told + 1
					if told < 20 then
						snap:restore()
					end
				end)
				local reason = s:run()
				assert.equal(20, told)
				assert(reason.kind == (how == "code 7" and "exit" or "signal"))
				assert.equal(reason.kind, s:run().kind)
				assert.equal(20, told)
				s:close()
			end
		end
	end)

	it("has its end be the end of what is read, until it is restored", function()
		for _, how in ipairs { "pipe", "pty" } do
			local s = support.spawn { "crackme_early", stdin = how, stdout = how, pty = { echo = false } }
			s:run_to "main"
			local snap = s:snapshot()
			local function answer(guess)
				snap:restore()
				assert(s.io:send_line(guess))
				return s.io:recv_all(10)
			end
			for _ = 1, 5 do
				assert(answer("wrong"):find "^Wrong")
				assert.equal(1, s:run().code)
				assert.same({ nil, "eof" }, { s.io:recv_line() })
				assert.same({ nil, "eof" }, { s.io:recv_until "x" })
				assert.same({ nil, "eof" }, { s.io:expect "x" })
				assert.same({ nil, "eof" }, { s.io:recv() })
				assert.equal("", s.io:recv_all())
			end
			-- A terminal may take, and drop, any number of bytes.
			if how == "pipe" then
				assert.same({ nil, "eof" }, { s.io:send(("x"):rep(2 ^ 20)) })
				assert(answer("r3w1nd_m3"):find "^Correct")
			end
			snap = nil -- luacheck: ignore 311
			s:close()
		end
	end)

	it("does not undo an end that nobody can hold back", function()
		local s = support.spawn { "exits", "kill" }
		s:run_to "main"
		local snap = s:snapshot()
		assert.equal("SIGKILL", s:run().signal)
		assert.is_true(s.ended)
		raises(function() snap:restore() end, "restore: ", "the process has ended")
	end)

	it("has signals that the program handles or ignores, and calls of others, end nothing", function()
		local s = support.spawn { "signals", "usr1", "5" }
		s:run_to "main"
		local snap = s:snapshot()
		for _ = 1, 3 do
			assert.same({ kind = "exit", code = 0 }, s:run())
			snap:restore()
		end
	end)

	it("is over when the process has another program, or is let go", function()
		local s = support.spawn { "execer", "prog", support.target "crackme_argv" }
		local snap
		s:bp("main", function() snap = snap or snapshot() end)
		s:on("exec", STOP)
		s:run()
		raises(function() snap:restore() end, "exec has replaced the program")
		s = spawn_again "tls"
		snap = s:snapshot()
		s:detach()
		raises(function() snap:restore() end, "the session has ended")
		assert(tostring(snap):find("over", 1, true))
	end)

	it("takes calls that leave hooks wait for back with the stack", function()
		local s = support.spawn { "again", "stack" }
		local log, snap, n = {}, nil, 0
		s:hook("deep", {
			enter = function(depth) log[#log + 1] = "enter " .. tonumber(depth) .. " " .. this.depth end,
			leave = function() log[#log + 1] = "leave " .. this.depth end,
			unwound = function() log[#log + 1] = "unwound" end,
		})
		s:bp("deep", function()
			if regs.edi == 197 and not snap then
				snap = snapshot()
				log = {}
			elseif regs.edi == 195 then
				n = n + 1
				if n <= 3 then
					log = {}
					snap:restore()
				end
			end
		end)
		assert.equal("exit", s:run().kind)
		local left, entered = 0, 0
		for _, line in ipairs(log) do
			left = left + (line:match "^leave" and 1 or 0)
			entered = entered + (line:match "^enter" and 1 or 0)
			assert(line ~= "unwound")
		end
		-- 200, 199, 198 and 197 were entered before the snapshot; all are left.
		assert.equal(197, entered)
		assert.equal(201, left)
		assert.equal("enter 196 5", log[1])
	end)

	it("is used by one hook that waits for each try", function()
		local s = support.spawn { "crackme_argv", "x" }
		local results = {}
		s:bp("main", function()
			local snap = snapshot()
			for i = 1, 5 do
				results[i] = tostring(finish())
				snap:restore()
			end
		end)
		s:run()
		for i = 2, 5 do
			assert.equal(results[1], results[i])
		end
	end)

	it("goes for attached processes, which live on as they were", function()
		local s = support.spawn { "again", "heap", stdin = { file = input_file() } }
		s:bp("begin", STOP)
		s:run()
		local pid = s.pid
		s:detach { stopped = true }
		local a = support.attach(pid)
		local snap = a:snapshot()
		snap:restore()
		a:detach()
		assert(not support.status(pid, "State") or support.status(pid, "State"):sub(1, 1) ~= "Z")
		os.execute(("kill -KILL %d 2>/dev/null"):format(pid))
	end)

	it("of a session that has ended is none", function()
		local s = spawn_again "tls"
		local snap = s:snapshot()
		s:kill()
		raises(function() snap:restore() end, "over")
		raises(function() s:snapshot() end, "snapshot", "ended")
	end)

	it("of much memory stays in a fork, of which nothing is left", function()
		local s = support.spawn { "again", "big", tostring(200 * 2 ^ 20) }
		s:bp("begin", STOP)
		s:bp("done", STOP)
		s:run()
		s.mem.i64[s:sym "dirty"] = 2 ^ 20
		local big = s.mem.u64[s:sym "big"]
		local before = s.mem.read(big, 2 ^ 20)
		local snap = s:snapshot()
		for _ = 1, 5 do
			assert.equal("stop", s:run().kind)
			assert(s.mem.read(big, 2 ^ 20) ~= before)
			snap:restore()
			assert(s.mem.read(big, 2 ^ 20) == before)
		end
		-- The program itself knows of no child.
		assert.equal("ECHILD", E[tonumber(-s.syscall.wait4(-1, 0, 0x40000000, 0))])
	end)

	it("says what it does not put back", function()
		local s = spawn_again()
		local text = table.concat(s:snapshot():limits(), "\n")
		assert(text:find("descriptor 1 (", 1, true), text)
		assert(text:find("signal handlers", 1, true), text)
		assert(not text:find("descriptor 0 ", 1, true), text)
	end)

	it("tells the ranges that have changed since, and between two", function()
		local s = spawn_again "tls"
		local snap = s:snapshot()
		local at = s:sym "counts"
		s.mem.i64[at] = 7
		s.mem.i64[at + 8] = 8
		s.mem.i64[at + 24] = 9
		local list = snap:diff()
		assert.same({ { start = at, stop = at + 16 }, { start = at + 24, stop = at + 32 } }, list)
		local other = s:snapshot()
		assert.same(list, snap:diff(other))
		assert.same(list, other:diff(snap))
		assert.same({}, other:diff())
		snap:restore()
		assert.same({}, snap:diff())
		assert.same(list, other:diff())
		assert.equal(("\0"):rep(8), snap:read(at, 8))
		assert.equal(7, other:read(at, 1):byte())
		raises(function() snap:diff(5) end, "diff: Snapshot or SavedSnapshot expected, got 5")
		raises(function() snap:read(1, 5) end, "read snapshot at 0x1")
		raises(function() snap:read(at, 2 ^ 40) end, "read snapshot")
	end)

	it("is written to a file, and read from it later", function()
		local s = spawn_again "tls"
		local snap = s:snapshot()
		local path, at, rip = support.temporary(), s:sym "counts", s.regs.rip
		snap:save(path)
		s.mem.i64[at] = 7
		local other = s:snapshot()
		local saved = load_snapshot(path)
		assert.equal(rip, saved.regs.rip)
		assert.equal(s.pid, saved.pid)
		assert.equal(snap:read(s.regs.rsp, 256), saved:read(s.regs.rsp, 256))
		assert.same({ { start = at, stop = at + 8 } }, saved:diff(other))
		assert.same({}, saved:diff(snap))
		assert.equal(#snap.maps, #saved.maps)
		assert(tostring(saved):find("SavedSnapshot of process " .. s.pid, 1, true))
		local text = support.read(path)
		for _, n in ipairs { 0, 5, 40, 200, 3000, #text - 2 } do
			support.write(path, text:sub(1, n))
			raises(function() load_snapshot(path) end, "load_snapshot: ", "no snapshot")
		end
		raises(function() load_snapshot "/nowhere/at/all" end, "No such file")
		raises(function() snap:save "/dev/full" end, "save: /dev/full: No space left on device")
		raises(function() saved:read(0x10, 1) end, "not in the snapshot")
	end)

	it("gives a child of the target at that point, as a session", function()
		local s = spawn_again "tls"
		local snap = s:snapshot()
		local at = s:sym "counts"
		local children = {}
		for i = 1, 5 do
			s.mem.i64[at] = 99
			local child = snap:fork()
			children[i] = child
			assert(child.pid ~= s.pid)
			assert.equal(0, tonumber(child.mem.i64[at]))
			assert.equal(0, tonumber(s.mem.i64[at]))
			child.mem.i64[at] = i
		end
		for i, child in ipairs(children) do
			assert.equal(i, tonumber(child.mem.i64[at]))
			child:bp("done", STOP)
			assert.equal("stop", child:run().kind)
			assert.same({ kind = "exit", code = 0 }, child:run())
		end
		snap:restore()
		assert.equal("stop", s:run().kind)
		assert.same({ kind = "exit", code = 0 }, s:run())
	end)

	it("has unsafe calls told, once each", function()
		local path = support.temporary()
		local command = ("%s -e '%s' -- %s files print >/dev/null 2>%s"):format(
			os.getenv "PTRACEHOOK" or "build/release/ptracehook", [[
				policy { unsafe_syscalls = "report" }
				bp("done", function() end)
				bp("begin", function() snapshot() end)
			]], support.target "again", path)
		assert.equal(0, os.execute(command))
		local text = support.read(path)
		assert(text:find("calls write%(1%), which a snapshot does not undo\n"), text)
		assert.equal(1, select(2, text:gsub("write", "")))
	end)
end)
