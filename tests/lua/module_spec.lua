-- What is loaded, what things in it are called, and breakpoints by name wherever that is.

local root = debug.getinfo(1, "S").source:match "^@(.*)tests/lua/[^/]*$" or "./"
package.path = root .. "tests/lua/?.lua;" .. package.path

local support = require "support"
local raises, target = support.raises, support.target

local function nothing() end

local function run_to_end(s)
	assert.same({ kind = "exit", code = 0 }, s:run())
	return support.output(s)
end

local function exists(name)
	local file = io.open(target(name))
	return file and file:close()
end

local function by_name(list)
	local found = {}
	for _, module in ipairs(list) do
		found[module.name] = module
	end
	return found
end

local alpha, beta, gamma = target "libalpha.so", target "libbeta-2.0.so", target "libgamma.so"

describe("modules()", function()
	after_each(support.close)

	it("gives the program first, then the dynamic linker's order, then the others", function()
		local s = support.spawn { "plugins", alpha, beta, "@1" }
		s:bp("mark", STOP)
		assert.equal("stop", s:run().kind)
		local names = {}
		for i, module in ipairs(modules()) do
			names[i] = module.name
			local start = mem.read(module.base, 4)
			assert.equal("\127ELF", start, module.name)
			assert.truthy(module.size > 0 and module.size < 2 ^ 40)
		end
		assert.same({ "plugins", "[vdso]", "libc.so.6", "ld-linux-x86-64.so.2", "libalpha.so", "libbeta-2.0.so" }, names)
		assert.equal(target "libalpha.so", modules()[5].path)
	end)

	it("are not there at the first instruction, and sym says so", function()
		local s = support.spawn { "ifuncs" }
		local e = raises(function() sym "strlen" end, "ifuncs has no symbol 'strlen', and its libraries are not loaded yet")
		assert.is_nil(tostring(e):find("did you mean", 1, true))
		raises(function() sym "call_strlem" end, "not loaded yet; did you mean 'call_strlen'?")
		raises(function() sym "ifuncs!strlem" end, "ifuncs has no symbol 'strlem'")
		s:run_to "main"
		assert(sym "strlen")
		raises(function() sym "dlopenn" end, "ifuncs and its libraries have no symbol 'dlopenn'; did you mean 'dlopen'?")
	end)

	it("knows the program, the linker and the vDSO at the first instruction", function()
		support.spawn { "plugins" }
		local names = {}
		for i, module in ipairs(modules()) do
			names[i] = module.name
		end
		table.sort(names)
		assert.equal(3, #names)
		assert.equal("[vdso]", names[1])
		assert.truthy(names[2]:find "^ld%-")
		assert.equal("plugins", names[3])
		assert.equal("plugins", modules()[1].name)
	end)

	it("has the build-id that readelf shows, without opening a library", function()
		local s = support.spawn { "plugins", alpha, "@1" }
		s:bp("mark", STOP)
		s:run()
		local pipe = io.popen(("readelf -n '%s'"):format(alpha))
		local id = pipe:read "*a":match "Build ID: (%x+)"
		pipe:close()
		assert.equal(id, by_name(modules())["libalpha.so"].build_id)
	end)

	it("is current: what was closed is gone, and comes again", function()
		local s = support.spawn { "plugins", alpha, "@1", "-" .. alpha, "@2", alpha, "@3" }
		local seen = {}
		s:bp("mark", function() seen[num(regs.edi)] = by_name(modules())["libalpha.so"] ~= nil end)
		run_to_end(s)
		assert.same({ true, false, true }, seen)
	end)

	it("works in static and static-pie programs, and with musl", function()
		for name, loaded in pairs { calc_static = 2, calc_static_pie = 2, calc_musl = 3, calc_musl_static = 2 } do
			if exists(name) then
				local s = support.spawn { name }
				s:bp("main", STOP)
				s:run()
				assert.equal(name, modules()[1].name)
				assert.equal(loaded, #modules(), name)
				assert.equal("calc", where(sym "calc"))
				s:kill()
			end
		end
	end)

	it("begins anew after exec", function()
		local s = spawn { "/bin/sh", "-c", ("exec '%s'"):format(target "calc_static"), stdout = "null" }
		assert.truthy(#s:modules() >= 3)
		s:on("exec", STOP)
		assert.equal("exec", s:run().event)
		assert.equal("calc_static", s:modules()[1].name)
		assert.equal(2, #s:modules())
		assert.equal("calc", where(sym "calc"))
		s:kill()
	end)

	it("finds files in memory, deleted files, and their names", function()
		local copy = support.temporary() .. ".so"
		os.execute(("cp '%s' '%s'"):format(alpha, copy))
		local link = support.temporary()
		-- NAME_run is looked for by the file's name: a folder of its own keeps that.
		os.execute(("mkdir '%s.d' && mv '%s' '%s.d/libalpha.so'"):format(link, copy, link))
		local path = link .. ".d/libalpha.so"
		local s = support.spawn { "plugins", path, "@1" }
		local b = s:bp("libalpha_run", nothing)
		s:bp("mark", STOP)
		s:on("load", function(module) return module.name == "libalpha.so" and os.remove(path) and REMOVE or nil end)
		s:run()
		local module = by_name(modules())["libalpha.so"]
		assert.equal(path, module.path)
		assert.equal(1, b.hits)
		assert.equal("libalpha.so!libalpha_run", where(sym "libalpha_run"))
		os.execute(("rmdir '%s.d'"):format(link))
	end)

	it("knows libraries in namespaces of their own", function()
		local s = support.spawn { "plugins", alpha, "!" .. alpha, "@1" }
		s:bp("mark", STOP)
		s:run()
		local bases = {}
		for _, symbol in ipairs(find_syms "libalpha!libalpha_run") do
			bases[#bases + 1] = symbol.address
			assert.equal("libalpha.so!libalpha_run", where(symbol.address))
		end
		assert.equal(2, #bases)
		assert.truthy(bases[1] ~= bases[2])
		assert.equal(bases[1], sym "libalpha_run")
	end)

	it("wants a living target", function()
		local s = support.spawn { "calc_pie" }
		s:kill()
		raises(function() s:modules() end, "modules: the session has ended")
		raises(function() s:where(1) end, "where: the session has ended")
		raises(function() s:find_syms "x" end, "find_syms: the session has ended")
	end)
end)

describe("a target that lies about what it has loaded", function()
	after_each(support.close)

	for _, how in ipairs { "loop", "wild", "long", "name", "base", "debug", "header" } do
		it("is believed what can be, in bounded time: " .. how, function()
			local s = support.spawn { "liar", how }
			local seen = 0
			s:on("load", function(module) seen = seen + #module.name end)
			s:bp("no_such_name", nothing)
			s:bp("mark", function()
				assert(#modules() >= 1 and modules()[1].name == "liar")
				assert(where(regs.rip) == "mark")
				assert(type(where(sym "main" + 0x10000000)) == "string")
				assert(find_sym "no_such_name_either" == nil)
				assert(#find_syms "mark" >= 1)
				for _, module in ipairs(modules()) do
					where(module.base)
				end
			end)
			assert.equal("done\n", run_to_end(s))
		end)
	end
end)

describe("on load and unload", function()
	after_each(support.close)

	it("are told before the library's constructors run, and after it is gone", function()
		local s = support.spawn { "plugins", alpha, "-" .. alpha, beta }
		local story = {}
		s:on("load", function(module, t)
			assert(t == thread and t.tid == process.pid)
			story[#story + 1] = "load " .. module.name
		end)
		s:on("unload", function(module) story[#story + 1] = "unload " .. module.name end)
		s:bp("plugin_begin", function() story[#story + 1] = "constructor" end)
		s:bp("main", function() story[#story + 1] = "main" end)
		run_to_end(s)
		assert.same({
			"load libc.so.6", "main", "load libalpha.so", "constructor", "unload libalpha.so",
			"load libbeta-2.0.so", "constructor",
		}, story)
	end)

	it("work with musl as well", function()
		if not exists "plugins_musl" then
			return
		end
		local s = support.spawn { "plugins_musl", gamma }
		local story = {}
		s:on("load", function(module) story[#story + 1] = "load " .. module.name end)
		s:bp("plugin_begin", function() story[#story + 1] = "constructor" end)
		local b = s:bp("libgamma!libgamma_run", function() story[#story + 1] = "run" end)
		assert.is_true(b.pending)
		run_to_end(s)
		assert.same({ "load libgamma.so", "constructor", "run" }, story)
	end)

	it("may set breakpoints in what is loaded, and see its symbols", function()
		local s = support.spawn { "plugins", alpha }
		local hits = 0
		s:on("load", function(module)
			if module.name == "libalpha.so" then
				assert(sym "libalpha_run" >= module.base)
				bp("libalpha!helper", function() hits = hits + 1 end)
				return REMOVE
			end
		end)
		run_to_end(s)
		assert.equal(1, hits)
	end)

	it("take actions: STOP, KILL, DETACH, and none that moves", function()
		local s = support.spawn { "plugins", alpha }
		s:on("load", function(module) return module.name == "libalpha.so" and STOP or nil end)
		local reason = s:run()
		assert.equal("stop", reason.kind)
		assert.equal("load", reason.event)
		assert.is_nil(reason.breakpoint)
		assert.equal("libalpha_run = 1\ndone\n", run_to_end(s))
		s = support.spawn { "plugins", alpha }
		s:on("load", KILL)
		assert.same({ kind = "signal", signal = "SIGKILL" }, s:run())
		s = support.spawn { "plugins", alpha }
		raises(function() s:on("load", SKIP) end, "on: ", "SKIP", "load")
		raises(function() s:on("load", "libx", nothing) end, "takes no filter")
	end)

	it("are told in an attached target, of what comes later", function()
		local pid, out = support.start("plugins", "~", alpha, "-" .. alpha)
		local s = support.attach(pid)
		local story = {}
		for _, event in ipairs { "load", "unload" } do
			s:on(event, function(module) story[#story + 1] = event .. " " .. module.name end)
		end
		local b = s:bp("libalpha_run", nothing)
		assert.is_true(b.pending)
		s.mem.u32[s:sym "go"] = 1
		s:run()
		assert.same({ "load libalpha.so", "unload libalpha.so" }, story)
		assert.equal(1, b.hits)
		assert.truthy(support.read(out):find "libalpha_run = 1\ndone\n")
	end)

	it("count no hits, and are not in bps()", function()
		local s = support.spawn { "plugins", alpha }
		local loads = 0
		s:on("load", function()
			loads = loads + 1
			assert(#bps() == 0)
		end)
		run_to_end(s)
		assert.equal(2, loads)
		assert.equal(0, s:stats().hits)
	end)

	it("cost nothing when nobody asks", function()
		local s = support.spawn { "plugins", alpha, beta }
		s:bp("main", nothing)
		run_to_end(s)
		local stops = s:stats().stops
		s = support.spawn { "plugins", alpha, beta }
		s:bp("main", nothing)
		s:on("load", nothing)
		run_to_end(s)
		assert.truthy(s:stats().stops > stops)
		s = support.spawn { "plugins" }
		s:bp("main", nothing)
		run_to_end(s)
		assert.equal(stops, s:stats().stops)
	end)
end)

describe("a pending breakpoint", function()
	after_each(support.close)

	it("goes in when a library brings its name, and waits again when that goes", function()
		local s = support.spawn { "plugins", alpha, "@1", "-" .. alpha, "@2", alpha, "@3" }
		local b = s:bp("libalpha_run", function(_, self)
			assert(regs.rip == self.address and where(regs.rip) == "libalpha.so!libalpha_run")
		end)
		local pending = { b.pending }
		s:bp("mark", function() pending[#pending + 1] = b.pending end)
		run_to_end(s)
		assert.same({ true, false, true, false }, pending)
		assert.equal(2, b.hits)
	end)

	it("is named by file, soname, or either up to a mark", function()
		for _, name in ipairs { "libbeta-2.0.so", "libbeta-2.0", "libbeta.so.2", "libbeta", beta } do
			local s = support.spawn { "plugins", alpha, beta }
			local b = s:bp(name .. "!libbeta_run", nothing)
			run_to_end(s)
			assert.equal(1, b.hits, name)
		end
	end)

	it("of a name in several modules goes where the dynamic linker would", function()
		local s = support.spawn { "plugins", alpha, beta, "@1" }
		local at
		local first, second = s:bp("shared", nothing), s:bp("libbeta!shared", nothing)
		s:bp("mark", function() at = { where(first.address), where(second.address), where(sym "shared") } end)
		run_to_end(s)
		assert.same({ "libalpha.so!shared", "libbeta-2.0.so!shared", "libalpha.so!shared" }, at)
		assert.equal(1, #first.addresses)
	end)

	it("is an error for a module that is loaded, with the nearest", function()
		local s = support.spawn { "plugins", alpha, "@1" }
		s:bp("mark", STOP)
		s:run()
		raises(function() s:bp("libalpha!libalpa_run", nothing) end, "libalpha.so has no symbol 'libalpa_run'",
			"did you mean 'libalpha!libalpha_run'")
		assert.is_true(s:bp("libdelta!x", nothing).pending)
	end)

	it("goes in with a followed child's library too", function()
		local command = ("'%s' '%s'; true"):format(target "plugins", alpha)
		local s = spawn { "/bin/sh", "-c", command, follow = true, stdout = "null" }
		local loaded = {}
		s:on("load", function(module) loaded[module.name] = process.pid end)
		local pids = {}
		local b = s:bp("libalpha_run", function(_, self)
			assert(self.address == regs.rip and not self.pending)
			pids[#pids + 1] = process.pid
		end)
		assert.same({ kind = "exit", code = 0 }, s:run())
		assert.equal(1, b.hits)
		assert.equal(1, #pids)
		assert.truthy(pids[1] ~= s.pid)
		assert.equal(pids[1], loaded["libalpha.so"])
	end)
end)

describe("IFUNC", function()
	after_each(support.close)

	local calls = { strcmp = 3, memcmp = 4, strlen = 5, memcpy = 6, strchr = 7, time = 2, gettimeofday = 1 }

	for _, variant in ipairs { "ifuncs", "ifuncs_now", "ifuncs_static", "ifuncs_static_pie", "ifuncs_musl" } do
		it("functions are hit as often as they are called, from the first call on: " .. variant, function()
			if not exists(variant) then
				return
			end
			local s = support.spawn { variant }
			local counts, bs = {}, {}
			for name in pairs(calls) do
				counts[name] = 0
				local from, to
				bs[name] = s:bp(name, function()
					from = from or sym("call_" .. name)
					to = to or from + find_syms(modules()[1].name .. "!call_" .. name)[1].size
					local back = mem.u64[regs.rsp]
					if back > from and back <= to then
						counts[name] = counts[name] + 1
					end
				end)
			end
			assert.equal("done\n", run_to_end(s))
			assert.same(calls, counts)
			for name, b in pairs(bs) do
				assert.equal(1, #b.addresses, name)
			end
		end)
	end

	it("functions are known after the start, not before, in a static program", function()
		local s = support.spawn { "ifuncs_static" }
		raises(function() s:sym "strcmp" end, "sym: ", "IFUNC")
		local b = s:bp("strcmp", nothing)
		assert.is_true(b.pending)
		s:bp("main", STOP)
		s:run()
		assert.is_false(b.pending)
		assert.equal(b.address, sym "strcmp")
		assert.truthy(where(b.address):find "strcmp")
	end)

	it("functions are found in an attached target", function()
		local pid = support.start("plugins", "~")
		local s = support.attach(pid)
		local b = s:bp("strlen", nothing)
		assert.is_false(b.pending)
		assert.truthy(where(b.address):find "^libc%.so%.6!.*strlen")
		assert.equal("[vdso]!", where(sym "time"):match "^%[vdso%]!")
		s.mem.u32[s:sym "go"] = 1
		s:run()
	end)

	it("functions of a library are found before its relocation, and after", function()
		local s = support.spawn { "plugins", alpha, "@1" }
		local early = s:bp("libalpha_twice", nothing)
		local late
		s:bp("mark", function() late = bp("libalpha!libalpha_twice", nothing) end)
		run_to_end(s)
		assert.equal(1, early.hits)
		assert.same({ early.address }, late.addresses)
	end)
end)

describe("an address that waits", function()
	after_each(support.close)

	for _, how in ipairs { "rounds", "rwx" } do
		it("goes in each time the target maps it to be executed: " .. how, function()
			local s = support.spawn { "unpack", "7000000000", how, "5" }
			local sum = 0
			local b
			b = s:bp(0x7000000000ULL, function(_, self)
				assert(self == b and #self.original == 5 and mem.u8[self.address] == 0xb8)
				sum = sum + mem.u32[self.address + 1]
			end, { pending = true })
			assert.is_true(b.pending)
			assert.same({}, b.addresses)
			assert.truthy(run_to_end(s):find "sum 15\n")
			assert.equal(5, b.hits)
			assert.equal(15, num(sum))
		end)
	end

	it("leaves a target that is let go in the middle of a call unharmed", function()
		for _ = 1, 20 do
			local pid, out = support.start("plugins", "~", alpha)
			local s = support.attach(pid)
			s:bp(0x10, nothing, { pending = true })
			s:run { timeout = 0.01 }
			s.mem.u32[s:sym "go"] = 1
			s:detach()
			support.await_end(pid)
			assert.truthy(support.read(out):find "libalpha_run = 1\ndone\n")
		end
	end)
end)

describe("names of C++", function()
	after_each(support.close)

	it("mean every overload, or one by its parameters", function()
		if not exists "shapes" then
			return
		end
		local s = support.spawn { "shapes" }
		local want = {
			["shapes::Box::area"] = { 1, 1 }, ["shapes::Box::scale"] = { 3, 3 }, ["shapes::Box::scale(int)"] = { 1, 1 },
			["shapes::Box::scale(int, const char *)"] = { 1, 1 }, ["shapes::Box::operator<"] = { 1, 1 },
			["shapes::Box::Box"] = { 1, 2 }, ["shapes::Box::~Box"] = { 1, 2 }, ["shapes::Stack::push"] = { 2, 2 },
			["shapes::Stack<int>::push"] = { 1, 1 }, ["shapes::twice"] = { 2, 2 }, ["(anonymous namespace)::hidden"] = { 1, 1 },
			["plain"] = { 2, 2 }, ["plain(int)"] = { 1, 1 }, ["_Z5plaini"] = { 1, 1 },
		}
		local bs, got = {}, {}
		for name in pairs(want) do
			local hit = {}
			bs[name] = s:bp(name, function(_, b)
				assert(b.address == regs.rip)
				hit[key(b.address)] = true
			end)
			got[name] = hit
		end
		run_to_end(s)
		for name, row in pairs(want) do
			local b, n = bs[name], 0
			for _, address in ipairs(b.addresses) do
				n = n + (got[name][key(address)] and 1 or 0)
			end
			assert.same(row, { #b.addresses, b.hits }, name)
			assert.equal(#b.addresses, n, name)
			assert.equal(b.addresses[1], b.address)
		end
	end)

	it("are what where() says, and lead back", function()
		if not exists "shapes" then
			return
		end
		local s = support.spawn { "shapes" }
		s:bp("main", STOP)
		s:run()
		for _, symbol in ipairs(find_syms "shapes!shapes::*") do
			assert.equal(symbol.name, where(symbol.address))
			assert.equal(symbol.address, sym(symbol.name))
		end
		assert.equal(8, #find_syms "shapes!shapes::Box*")
	end)
end)

describe("find_syms", function()
	after_each(support.close)

	it("takes globs, modules, and stubs", function()
		local s = support.spawn { "plugins", alpha, beta, "@1" }
		s:bp("mark", STOP)
		s:run()
		local runs = find_syms "lib*_run"
		assert.equal(2, #runs)
		for _, symbol in ipairs(runs) do
			assert.equal(symbol.module .. "!" .. symbol.name, where(symbol.address))
			assert.truthy(symbol.size > 0)
		end
		assert.equal(2, #find_syms "shared")
		assert.equal(1, #find_syms "libalpha!shared")
		assert.equal(2, #find_syms "lib*!helper")
		assert.same({}, find_syms "no_such_*")
		assert.same({}, find_syms "libnone!*")
		local stubs = find_syms "plugins!*@plt"
		assert.truthy(#stubs > 3)
		for _, stub in ipairs(stubs) do
			assert.equal(stub.name, where(stub.address))
			assert.equal(stub.address, sym(stub.name))
		end
		raises(function() find_syms(5) end, "find_syms: glob: string expected")
		raises(function() where "main" end, "where: address")
	end)

	it("knows versions", function()
		local s = support.spawn { "plugins", "@1" }
		s:bp("mark", STOP)
		s:run()
		local old, new = sym "memcpy@GLIBC_2.2.5", sym "memcpy"
		assert.truthy(old ~= new)
		assert.equal(new, sym "libc!memcpy@@GLIBC_2.14")
		assert.is_nil(find_sym "memcpy@GLIBC_9")
	end)
end)
