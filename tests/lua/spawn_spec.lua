local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises = support.raises

-- What a shell command prints when it is spawned with these options.
local function sh(command, options)
	options = options or {}
	options[1], options[2], options[3] = "/bin/sh", "-c", command
	options.stdout = { file = support.temporary() }
	local s = spawn(options)
	local reason = s:run()
	return support.read(options.stdout.file), reason
end

describe("spawn", function()
	after_each(support.close)

	it("finds programs in $PATH, takes numbers as arguments, and one word alone", function()
		local path = support.temporary()
		assert.same({ kind = "exit", code = 0 }, spawn({ "echo", 1, 2.5, 3ULL, "x", stdout = { file = path } }):run())
		assert.equal("1 2.5 3 x\n", support.read(path))
		assert.same({ kind = "exit", code = 0 }, spawn "true":run())
	end)

	it("stands at the first instruction, which is the loader's in a dynamic program", function()
		local s = support.spawn { "calc_static" }
		assert.equal(s.pid, s.thread.tid)
		assert.equal("stopped", s.thread.state)
		assert.equal("", support.output(s))
		local elf = support.read(support.target "calc_static")
		local entry = 0
		for i = 8, 1, -1 do entry = entry * 256 + elf:byte(0x18 + i) end
		assert.equal(hex(entry), hex(regs.rip))
	end)

	describe("environment", function()
		it("is ours, with what env says added and taken", function()
			local names = "printf '%s %s %s' \"$PATH\" \"$SPEC_A\" \"${HOME-none}\""
			assert.equal(os.getenv "PATH" .. " b none", (sh(names, { env = { SPEC_A = "b", HOME = false } })))
			assert.equal(os.getenv "PATH" .. " 5 " .. os.getenv "HOME", (sh(names, { env = { SPEC_A = 5 } })))
		end)

		it("is only what env says with clear_env", function()
			local path = support.temporary()
			spawn({ "/usr/bin/env", env = { ONE = "1" }, clear_env = true, stdout = { file = path } }):run()
			assert.equal("ONE=1\n", support.read(path))
			spawn({ "/usr/bin/env", clear_env = true, stdout = { file = path } }):run()
			assert.equal("", support.read(path))
		end)

		it("does not change ours", function()
			sh("true", { env = { SPEC_B = "x" } })
			assert.is_nil(os.getenv "SPEC_B")
		end)
	end)

	it("cwd and argv0", function()
		assert.equal("/usr\n", sh("pwd", { cwd = "/usr" }))
		assert.equal("strange\n", sh("ps -o args= -p $$ >/dev/null; tr '\\0' '\\n' </proc/$$/cmdline | head -n 1",
			{ argv0 = "strange" }))
	end)

	it("aslr = false gives the same addresses every time", function()
		local seen = {}
		for _ = 1, 3 do
			local s = support.spawn { "calc_pie", aslr = false }
			seen[hex(sym "main") .. hex(regs.rsp)] = true
			s:kill()
		end
		assert.is_truthy(next(seen))
		assert.is_nil(next(seen, (next(seen))))
		local s = support.spawn { "calc_pie" }
		assert.is_nil(seen[hex(s:sym "main") .. hex(regs.rsp)])
	end)

	it("limits", function()
		assert.equal("64\n", sh("ulimit -n", { limits = { nofile = 64 } }))
		assert.equal("1048576\n", sh("ulimit -v", { limits = { as = 2 ^ 30, core = 0 } }))
		local _, reason = sh("while :; do :; done", { limits = { cpu = 1 } })
		assert.equal("SIGKILL", reason.signal)
	end)

	describe("standard streams", function()
		it("stdin: data, of any length", function()
			for _, size in ipairs { 0, 10, 2 ^ 20 } do
				assert.equal(("%d\n"):format(size), sh("wc -c", { stdin = { data = ("x"):rep(size) } }))
			end
			assert.equal("a\0b", sh("cat", { stdin = { data = "a\0b" } }))
		end)

		it("stdin: a file, and null", function()
			local path = support.write(support.temporary(), "in the file")
			assert.equal("in the file", sh("cat", { stdin = { file = path } }))
			assert.equal("", sh("cat", { stdin = "null" }))
		end)

		it("stdout and stderr: files, and null", function()
			local out, err = support.temporary(), support.temporary()
			spawn({ "/bin/sh", "-c", "echo out; echo err >&2", stdout = { file = out }, stderr = { file = err } }):run()
			assert.equal("out\n", support.read(out))
			assert.equal("err\n", support.read(err))
			spawn({ "/bin/sh", "-c", "echo out; echo err >&2; exit 3", stdout = "null", stderr = "null" }):run()
		end)

		it("are ours by default, and what was printed before comes before", function()
			local path = support.temporary()
			local script = support.write(support.temporary(), ([[
				io.write "before " print "it"
				spawn { "echo", "the target" }:run()
				print "after it"
			]]))
			os.execute(("%s %s >%s"):format(support.read "/proc/self/cmdline":match "^[^%z]+", script, path))
			assert.equal("before it\nthe target\nafter it\n", support.read(path))
		end)

		it("leave no descriptors, ours or the target's", function()
			local before = support.open_descriptors()
			local ls = io.popen "ls /proc/self/fd"
			local inherited = ls:read "*a"
			ls:close()
			assert.equal(inherited, (sh("exec ls /proc/self/fd", { stdin = { data = "x" } })))
			assert.equal(before, support.open_descriptors())
			pcall(spawn, { "/no/such/program", stdin = { data = "x" }, stdout = { file = support.temporary() } })
			assert.equal(before, support.open_descriptors())
		end)
	end)

	it("runs a script by its interpreter", function()
		local path = support.temporary()
		local s = spawn { support.target "script.sh", "a", "b", stdout = { file = path } }
		assert.same({ kind = "exit", code = 5 }, s:run())
		assert.equal("script: a b\n", support.read(path))
	end)

	it("gives a time limit over all runs", function()
		local s = support.spawn { "sleeper", "pause", timeout = 0.1 }
		assert.same({ kind = "timeout" }, s:run())
		assert.same({ kind = "timeout" }, s:run { timeout = 1000 })
		assert.is_false(s.ended)
	end)

	it("says what cannot be executed, and why", function()
		for _, row in ipairs {
			{ "/no/such/program", "ENOENT" }, { support.target "notexec", "EACCES" }, { support.target "foreign", "ENOEXEC" },
			{ support.target "badscript", "ENOENT" }, { "/", "EACCES" }, { "no_such_program_in_path", "ENOENT" },
			{ support.target "empty", "ENOEXEC" }, { support.target "truncated", "ENOEXEC" },
		} do
			local e = raises(function() spawn { row[1] } end, row[1])
			assert.equal(row[2], e.name, row[1])
			assert.equal(E[row[2]], e.errno)
		end
		raises(function() spawn { "true", cwd = "/no/such/folder" } end, "/no/such/folder")
		raises(function() spawn { "true", stdin = { file = "/no/such/file" } } end, "spawn: /no/such/file: No such file")
		raises(function() spawn { "true", stdout = { file = "/no/such/folder/file" } } end, "spawn: /no/such/folder/file")
	end)

	it("checks its arguments", function()
		local n = #support.read(("/proc/self/task/%d/children"):format(support.own_pid()))
		for _, row in ipairs {
			{ nil, "spawn: no program" }, { {}, "spawn: no program" }, { 5, "spawn: options: table expected, got 5" },
			{ true, "spawn: options: table expected" }, { { "x", nil, "y" }, "spawn: argument 1: string expected, got nil" },
			{ { "x", {} }, "spawn: argument 1: string expected, got a table" }, { { "x\0y" }, "must not contain a zero byte" },
			{ { "x", true }, "spawn: argument 1" }, { { true }, "spawn: argument 0: string expected, got true" },
			{ { "x", env = 5 }, "spawn: env: table expected, got 5" }, { { "x", env = { ["a=b"] = "" } }, "spawn: env: a name" },
			{ { "x", env = { "y" } }, "spawn: env: a name" }, { { "x", env = { a = {} } }, "spawn: env.a: a string" },
			{ { "x", env = { a = "\0" } }, "spawn: env.a: must not contain a zero byte" },
			{ { "x", clear_env = 1 }, "spawn: clear_env: true or false expected, got 1" },
			{ { "x", cwd = 5 }, "spawn: cwd: string expected, got 5" }, { { "x", argv0 = {} }, "spawn: argv0: string expected" },
			{ { "x", aslr = "no" }, "spawn: aslr: true or false" }, { { "x", follow = 1 }, "spawn: follow: true or false" },
			{ { "x", limits = 5 }, "spawn: limits: table expected" }, { { "x", limits = { fast = 1 } }, "there is no 'fast'" },
			{ { "x", limits = { cpu = -1 } }, "spawn: limits.cpu:" }, { { "x", limits = { cpu = 1.5 } }, "spawn: limits.cpu:" },
			{ { "x", limits = { cpu = "1" } }, "spawn: limits.cpu:" },
			{ { "x", limits = { cpu = 1e300 } }, "spawn: limits.cpu:" },
			{ { "x", timeout = -1 }, "spawn: timeout: a number of seconds" }, { { "x", timeout = "1" }, "spawn: timeout:" },
			{ { "x", timeout = 0 / 0 }, "spawn: timeout:" }, { { "x", stdin = "nul" }, 'spawn: stdin: "inherit"' },
			{ { "x", stdin = {} }, "spawn: stdin:" }, { { "x", stdout = { data = "x" } }, "spawn: stdout:" },
			{ { "x", stderr = 2 }, "spawn: stderr:" }, { { "x", stdin = { data = 5 } }, "spawn: stdin:" },
			{ { "x", time_out = 1 }, "spawn: there is no option 'time_out'; did you mean 'timeout'?" },
			{ { "x", arguments = {} }, "spawn: there is no option 'arguments'; there are argv0, aslr" },
		} do
			raises(function() spawn(row[1]) end, row[2])
		end
		assert.equal(n, #support.read(("/proc/self/task/%d/children"):format(support.own_pid())))
	end)

	it("takes another terminal, which is its own there", function()
		local ffi = require "ffi"
		ffi.cdef [[
		int posix_openpt(int flags);
		int grantpt(int fd);
		int unlockpt(int fd);
		char *ptsname(int fd);
		ssize_t read(int fd, void *buf, size_t len);
		]]
		local ours = ffi.C.posix_openpt(2 + 0x100) -- O_RDWR | O_NOCTTY
		assert(ours >= 0 and ffi.C.grantpt(ours) == 0 and ffi.C.unlockpt(ours) == 0)
		local path = ffi.string(ffi.C.ptsname(ours))
		local out = support.temporary()
		local s = spawn { "sh", "-c", "tty; tty <&2; echo here >/dev/tty; test ! -t 1", tty = path, stdout = { file = out } }
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.equal(path .. "\n" .. path .. "\n", support.read(out))
		local text = ffi.new "char[64]"
		assert.equal("here\r\n", ffi.string(text, ffi.C.read(ours, text, 64)))
		ffi.C.close(ours)
		raises(function() spawn { "true", tty = "/dev/null" } end, "tty: /dev/null is no terminal")
		raises(function() spawn { "true", tty = "/nowhere" } end, "/nowhere: No such file or directory")
		raises(function() spawn { "true", tty = path, pty = {} } end, "tty and pty")
	end)
end)
