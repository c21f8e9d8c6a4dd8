local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

local function sh(script, options)
	options = options or {}
	options[1], options[2], options[3] = "/bin/sh", "-c", script
	options.timeout = options.timeout or 60
	return support.keep(spawn(options))
end

local function reader(options)
	options = options or {}
	options[1] = support.target "reader"
	options.stdin, options.stdout, options.timeout = options.stdin or "pipe", options.stdout or "pipe", 60
	return support.keep(spawn(options))
end

describe("a tube", function()
	after_each(support.close)

	it("talks to a target, which runs meanwhile, and its hooks", function()
		local s, seen = reader(), {}
		s:bp("handle_line", function() seen[#seen + 1] = mem.cstr(regs.rdi) end)
		assert.is_true(s.io:send_line "one")
		assert.equal("got: one", s.io:recv_line())
		assert.same({ "one" }, seen)
		assert.equal("stopped", s.thread.state)
		assert.is_true(s.io:send "two\nthree\n")
		assert.equal("got: two\ngot: th", s.io:recv_until "th")
		assert.equal("re", s.io:recv(2))
		assert.equal("e\n", s.io:recv())
		assert.is_true(s.stdin:close())
		assert.equal("lines 3\n", s.io:recv_all())
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.same({ "one", "two", "three" }, seen)
	end)

	it("says eof at the end, and keeps what came before it", function()
		local s = sh("printf 'a\\nrest'", { stdout = "pipe" })
		assert.same({ nil, "eof" }, { s.stdout:recv_until "nowhere" })
		assert.equal("a", s.stdout:recv_line())
		assert.equal("rest", s.stdout:recv_line())
		for _, verb in ipairs { "recv", "recv_line" } do
			assert.same({ nil, "eof" }, { s.stdout[verb](s.stdout) })
		end
		assert.same({ nil, "eof" }, { s.stdout:recv_until "x" })
		assert.same({ nil, "eof" }, { s.stdout:expect "x" })
		assert.equal("", s.stdout:recv_all())
		assert.equal("exit", s:run().kind)
	end)

	it("says timeout past a time limit, and keeps what came", function()
		local s = sh("echo some; read x; echo more", { stdin = "pipe", stdout = "pipe" })
		for _, row in ipairs {
			{ "recv_until", "never", 0.05 }, { "recv_all", 0.05 }, { "expect", "never", 0.05 }, { "recv_until", "never", 0 },
		} do
			assert.same({ nil, "timeout" }, { s.io[row[1]](s.io, unpack(row, 2)) })
		end
		assert.equal("some\n", s.io:recv(100, 5))
		assert.same({ nil, "timeout" }, { s.io:recv(1, 0.05) })
		assert.same({ nil, "timeout" }, { s.io:recv_line(0.05) })
		s.io:send_line()
		assert.equal("more", s.io:recv_line(5))
	end)

	it("expect gives what string.match would, and takes through the match", function()
		local s = sh("echo 'leak: 0xdeadbeef! key=(a b)'; read x", { stdin = "pipe", stdout = "pipe" })
		assert.equal("0xdeadbeef!", s.io:expect "0x%x+%p")
		local a, b = s.io:expect "%((%w) (%w)%)"
		assert.same({ "a", "b" }, { a, b })
		assert.equal("\n", s.io:recv())
		raises(function() s.io:expect "%" end, "malformed pattern")
		assert.equal(1, (sh("echo x", { stdout = "pipe" }).io:expect "()x"))
	end)

	it("reads and writes as Lua's files do", function()
		local s = reader()
		assert.equal(s.stdin, s.stdin:write("one\n", 2, "\n", 3ULL, "\n"))
		assert.equal("got: one", s.stdout:read())
		assert.equal("got: 2\n", s.stdout:read "L")
		assert.equal("got", s.stdout:read(3))
		assert.equal("", s.stdout:read(0))
		s.stdin:close()
		local a, b = s.stdout:read("*l", 100)
		assert.same({ ": 3", "lines 3\n" }, { a, b })
		assert.is_nil(s.stdout:read())
		assert.is_nil(s.stdout:read(1))
		assert.equal("", s.stdout:read "a")
		assert.same({ nil, "Broken pipe", 32 }, { s.stdin:write "x" })
		local lines = {}
		for line in sh("printf 'a\\n\\nb'", { stdout = "pipe" }).stdout:lines() do lines[#lines + 1] = line end
		assert.same({ "a", "", "b" }, lines)
	end)

	it("keeps each byte, zero and newline too", function()
		local bytes = {}
		for i = 0, 255 do bytes[#bytes + 1] = string.char(i) end
		local all = table.concat(bytes):rep(50)
		local s = sh("cat", { stdin = "pipe", stdout = "pipe" })
		s.io:send(all)
		s.stdin:close()
		assert.equal(all, s.io:recv_all())
	end)

	describe("of standard output and error", function()
		it("are one in the order in which they came, or each alone", function()
			local s = sh("echo a; read x; echo b >&2; read x; echo c; echo d >&2",
				{ stdin = "pipe", stdout = "pipe", stderr = "pipe" })
			assert.equal("a", s.io:recv_line())
			s.io:send_line()
			assert.equal("b\n", s.io:recv_until "b\n")
			s.io:send_line()
			assert.equal("d", s.stderr:recv_line())
			assert.equal("c\n", s.stdout:recv_all())
			assert.same({ nil, "eof" }, { s.io:recv() })
		end)

		it("are one pipe with stderr = \"stdout\"", function()
			local s = sh("echo a; echo b >&2; echo c", { stdout = "pipe", stderr = "stdout" })
			assert.equal("a\nb\nc\n", s.stdout:read "a")
			local path = support.temporary()
			sh("echo a; echo b >&2", { stdout = { file = path }, stderr = "stdout" }):run()
			assert.equal("a\nb\n", support.read(path))
		end)

		it("of which one alone is a pipe", function()
			local s = sh("echo a >&2", { stderr = "pipe" })
			assert.equal("a", s.io:recv_line())
			raises(function() return s.stdout end, "stdout: its standard output is neither a pipe nor a pty", "\"pipe\"")
			raises(function() s.io:send "x" end, "send: the target's standard input is neither a pipe nor a pty")
			raises(function() return sh("true").io end, "io: neither a pipe nor a pty")
		end)
	end)

	describe("that is a pty", function()
		it("is a terminal, with a size and modes, of a session of its own", function()
			local s = sh("tty; stty size; stty -a; exec 3</dev/tty && echo controlled; ps -o pid=,sid=,tpgid= -p $$",
				{ pty = { rows = 33, columns = 111, echo = false } })
			assert.truthy(s.io:recv_line():find "^/dev/pts/%d+$")
			assert.equal("33 111", s.io:recv_line())
			assert.truthy(s.io:recv_until "controlled\r\n":find "%-echo ")
			local pid, sid, group = s.io:expect "(%d+)%s+(%d+)%s+(%d+)"
			assert.equal(pid, sid)
			assert.equal(pid, group)
			assert.equal(pid, tostring(s.pid))
			s.io:recv_all()
			assert.equal("exit", s:run().kind)
		end)

		it("echoes, makes signals of bytes, and ends by ^D, unless it is raw", function()
			local s = sh("trap 'echo int' INT; while read x; do echo got $x; done; echo end",
				{ stdin = "pty", stdout = "pty", stderr = "pty" })
			s.io:send_line "word"
			assert.equal("word", s.io:recv_line())
			assert.equal("got word", s.io:recv_line())
			s.io:send "\3"
			assert.equal("^Cint", s.io:recv_line())
			s.stdin:close()
			assert.equal("end\r\n", s.io:recv_all())
			local raw = sh("head -c 4 | od -An -tx1; stty -a", { pty = { raw = true } })
			raw.io:send "\3\4\r\n"
			assert.equal(" 03 04 0d 0a", raw.io:recv_line())
			raises(function() raw.stdin:close() end, "close: a raw pty has no byte that means the end of file")
			raw.io:close()
			assert.is_not_nil(raw:run().kind)
		end)

		it("stands for those that say so only", function()
			local path = support.temporary()
			local s = sh("test -t 0 && test -t 2 && ! test -t 1 && echo right >&2; echo out",
				{ stdin = "pty", stdout = { file = path }, stderr = "pty" })
			assert.equal("right", s.stderr:recv_line())
			s:run()
			assert.equal("out\n", support.read(path))
		end)
	end)

	describe("never waits for a target that waits for us:", function()
		it("one that echoes more than fits", function()
			local s = sh("cat; cat >&2 /dev/null", { stdin = "pipe", stdout = "pipe", stderr = "pipe" })
			local big = ("0123456789abcde\n"):rep(2 ^ 17)
			assert.is_true(s.io:send(big))
			s.stdin:close()
			assert.equal(big, s.stdout:recv_all())
			assert.equal("exit", s:run().kind)
		end)

		it("one that floods what nobody reads, while we read and write the other", function()
			local s = sh("head -c 3000000 /dev/zero >&2; read x; echo $x", { stdin = "pipe", stdout = "pipe", stderr = "pipe" })
			s.io:send_line "through"
			assert.equal("through", s.stdout:recv_line())
			assert.equal("exit", s:run().kind)
			assert.equal(3000000, #s.stderr:recv_all())
		end)

		it("one that floods for ever", function()
			local s = spawn { "yes", stdout = "pipe", timeout = 60 }
			support.keep(s)
			assert.equal("y", s.stdout:recv_line())
			assert.equal(10000, #s.stdout:read(10000))
			local e = raises(function() s:run() end, "run: the target has written 256 MiB that nobody has read")
			assert.equal("ENOBUFS", e.name)
			assert.is_false(s.ended)
			assert.equal("y\n", s.stdout:recv(2))
			s.stdout:close()
			assert.equal("SIGPIPE", s:run().signal)
		end)

		it("one that never reads", function()
			local s = sh("exec sleep 60", { stdin = "pipe" })
			assert.same({ nil, "timeout" }, { s.io:send(("x"):rep(1e6), 0.05) })
			assert.is_true(s.io == s.io)
			s:kill()
			assert.same({ nil, "eof" }, { s.io:send "x" })
		end)

		it("one that ends, or closes its ends, in the middle", function()
			local s = sh("exec sleep 0.05", { stdin = "pipe" })
			assert.same({ nil, "eof" }, { s.io:send(("x"):rep(1e6)) })
			s = sh("exec <&-; echo closed; exec >&-; exit 3", { stdin = "pipe", stdout = "pipe" })
			assert.equal("closed", s.stdout:recv_line())
			assert.same({ nil, "eof" }, { s.stdout:recv() })
			assert.same({ nil, "eof" }, { s.stdin:send(("x"):rep(1e6)) })
			assert.same({ kind = "exit", code = 3 }, s:run())
		end)

		it("one whose child keeps the other end", function()
			local s = sh("sleep 60 & echo $!", { stdout = "pipe" })
			local pid = s.stdout:recv_line()
			assert.equal("exit", s:run().kind)
			assert.same({ nil, "timeout" }, { s.stdout:recv_all(0.05) })
			os.execute("kill " .. pid)
			assert.equal("", s.stdout:recv_all())
		end)
	end)

	describe("while it waits", function()
		it("is told of a hook's STOP, and goes on afterwards", function()
			local s = reader()
			local b = s:bp("handle_line", STOP)
			s.io:send_line "x"
			assert.same({ nil, "stop" }, { s.io:recv_line() })
			assert.equal("x", s.mem.cstr(s.regs.rdi))
			b:remove()
			assert.equal("got: x", s.io:recv_line())
		end)

		it("raises the errors of hooks", function()
			local s = reader()
			s:bp("handle_line", function() error "of a hook" end)
			s.io:send_line "x"
			raises(function() s.io:recv_line() end, "of a hook")
			assert.is_true(s.ended)
		end)

		it("reads on from a target that was let go", function()
			local s = reader()
			s:bp("handle_line", DETACH)
			s.io:send_line "x"
			assert.equal("got: x", s.io:recv_line())
			assert.is_true(s.ended)
			s.io:send_line "y"
			assert.equal("got: y", s.io:recv_line())
			s.stdin:close()
			assert.equal("lines 2\n", s.io:recv_all())
		end)

		it("keeps spawn's own time limit", function()
			local s = sh("exec sleep 60", { stdout = "pipe", timeout = 0.1 })
			assert.same({ nil, "timeout" }, { s.stdout:recv() })
			assert.same({ nil, "timeout" }, { s.stdout:recv_all(30) })
			assert.same({ kind = "timeout" }, s:run())
		end)
	end)

	describe("in a hook", function()
		it("answers each line, without waiting for its own target", function()
			local s, n = reader(), 0
			s:bp("handle_line", function()
				n = n + 1
				if n < 5 then
					assert(s.io:send_line("more" .. n))
				else
					s.stdin:close()
				end
			end)
			s.io:send_line "start"
			assert.equal("got: start\ngot: more1\ngot: more2\ngot: more3\ngot: more4\nlines 5\n", s.io:recv_all())
		end)

		it("gives what has come, times out, and refuses to wait for what cannot come", function()
			local s, seen = reader(), {}
			s:bp("handle_line", function()
				if #seen == 0 then
					seen[1] = { s.io:recv(1, 0.02) }
					local ok, e = pcall(s.io.recv_line, s.io)
					seen[2] = { ok, tostring(e):find "the whole target stands still" ~= nil }
				else
					seen[3] = { s.io:recv_line() }
					return STOP
				end
			end)
			s.io:send "a\nb\n"
			assert.equal("stop", s:run().kind)
			assert.same({ { nil, "timeout" }, { false, true }, { "got: a" } }, seen)
		end)

		it("waits for other threads", function()
			local s = spawn { support.target "threads8", "2", "3", stdout = "pipe", timeout = 60 }
			support.keep(s)
			local first, heard
			s:bp("work", function()
				first = first or thread.tid
				if thread.tid == first and not heard then
					heard = { s.stdout:recv(1, 0.02) }
				end
			end)
			assert.equal("exit", s:run().kind)
			assert.same({ nil, "timeout" }, heard)
			assert.equal("calls 6\n", s.stdout:recv_all())
		end)

		it("of another session runs that one", function()
			local asker, answerer = reader(), reader()
			asker:bp("handle_line", function()
				answerer.io:send_line(asker.mem.cstr(asker.regs.rdi))
				asker.io:send(answerer.io:recv_line() == "got: q" and "right\n" or "wrong\n")
				return REMOVE
			end)
			asker.io:send_line "q"
			assert.equal("got: q\ngot: right\n", asker.io:recv_until "t\n")
		end)
	end)

	describe("in a hook of one of several sessions", function()
		it("waits for another one of the run", function()
			local asker, answerer, seen = reader(), reader(), {}
			answerer:bp("handle_line", function()
				seen[#seen + 1] = "handled " .. answerer.mem.cstr(answerer.regs.rdi)
			end)
			asker:bp("handle_line", function()
				answerer.io:send_line(asker.mem.cstr(asker.regs.rdi))
				local said = answerer.io:recv_line()
				seen[#seen + 1] = said
				answerer.stdin:close()
				asker.stdin:close()
			end)
			asker.io:send_line "q"
			local reasons = run { asker, answerer, timeout = 30 }
			assert.same({ "handled q", "got: q" }, seen)
			assert.same({ kind = "exit", code = 0 }, reasons[1])
			assert.same({ kind = "exit", code = 0 }, reasons[2])
			assert.equal("got: q\nlines 1\n", asker.io:recv_all())
		end)

		it("does not wait for ever where it cannot wait", function()
			local s, seen = reader(), nil
			s:on("exit", function() seen = { pcall(s.io.recv_until, s.io, "never") } end)
			s.stdin:close()
			s:run()
			assert.is_true(not seen[1] and tostring(seen[2]):find("stands still", 1, true) ~= nil or seen[3] == "eof")
		end)
	end)

	it("logs both directions", function()
		local said = {}
		local s = reader { log = function(direction, bytes) said[#said + 1] = direction .. " " .. bytes end }
		s.io:send_line "x"
		s.io:recv_line()
		assert.same({ "send x\n", "recv got: x\n" }, said)
		local path = support.temporary()
		s.io:log(path)
		s.io:send "y\n\0"
		s.io:recv_line()
		s.io:log(false)
		s.io:send_line "z"
		assert.equal(("%d > \"y\\n\\0\"\n%d < \"got: y\\n\"\n"):format(s.pid, s.pid), support.read(path))
		raises(function() s.io:log "/no/such/folder/file" end, "log: /no/such/folder/file")
		raises(function() s.io:log(5) end, "log: true, false, the name of a file or a function expected, got 5")
	end)

	it("checks its arguments", function()
		local s = reader()
		for _, row in ipairs {
			{ "send", "send: string expected, got nil" }, { "send", {}, "send: string expected, got a table" },
			{ "send", "x", -1, "send: time limit: a number of seconds" }, { "recv", -1, "recv: n" }, { "recv", 1.5, "recv: n" },
			{ "recv", 1, "x", "recv: time limit: a number of seconds" }, { "recv_until", "recv_until: text expected, got nil" },
			{ "recv_until", "", "recv_until: text expected, got none" }, { "recv_line", "x", "recv_line: time limit" },
			{ "expect", "expect: pattern: string expected, got nil" }, { "read", "x", "read: \"l\", \"L\", \"a\" or a number" },
			{ "read", {}, "read: n" }, { "write", {}, "write: string expected, got a table" },
			{ "recv_all", {}, "recv_all: time limit" },
		} do
			raises(function() s.io[row[1]](s.io, unpack(row, 2, #row - 1)) end, row[#row])
		end
		raises(function() s.io.recv(5) end, "recv: Tube expected, got 5; call methods with a colon")
		raises(function() spawn { "true", stdin = "pip" } end,
			"spawn: stdin: \"inherit\", \"pipe\", \"pty\"", "got the string \"pip\"")
		raises(function() spawn { "true", stdout = "stdout" } end, "spawn: stdout:")
		raises(function() spawn { "true", pty = { column = 1 } } end,
			"spawn: pty: there is no option 'column'; did you mean 'columns'?")
		raises(function() spawn { "true", pty = { rows = 70000 } } end, "spawn: pty.rows: at most 65535")
		raises(function() spawn { "true", pty = { raw = 1 } } end, "spawn: pty.raw: true or false")
		raises(function() spawn { "true", log = 5 } end, "spawn: log: true, false")
		assert.truthy(tostring(s.io):find "^Tube io of %d+$")
	end)

	it("leaves no descriptor behind, whoever forgets what", function()
		local function rounds(n)
			for i = 1, n do
				local s = spawn { "/bin/sh", "-c", "echo x; echo y >&2; read z; exit 1", stdin = i % 2 == 0 and "pipe" or "pty",
					stdout = i % 3 == 0 and "pty" or "pipe", stderr = "pipe", timeout = 60 }
				if i % 5 == 0 then
					s:kill()
				elseif i % 5 == 1 then
					s.io:recv(1)
					s:close()
				else
					assert(s.stdin:send_line())
					s:run()
				end
				pcall(spawn, { "/no/such/program", stdin = "pipe", stdout = "pty" })
			end
		end
		local before = support.open_descriptors()
		rounds(30)
		assert.equal(before, support.open_descriptors())
	end)
end)
