-- oracle/search.lua and oracle/scan.lua: the search without any target, its runs played by functions.

local search = require "oracle.search"
local Scan = require "oracle.scan"

local SECRET = "h00k_th3_cpu"
local ALPHABET = "_0345abcdhkptu"

local function chars(text)
	local list = {}
	for c in text:gmatch "." do
		list[#list + 1] = c
	end
	return list
end

local function settings(set)
	local all = {
		candidates = search.texts(chars(ALPHABET), set.size or 1), size = 1, prefix = "", suffix = "", ending = "",
		pad = "\1", ties = "stop", batch = 1, max = 64, show = function(text) return '"' .. text .. '"' end,
	}
	for name, value in pairs(set) do
		all[name] = value
	end
	return all
end

local quiet = { progress = function() end, found = function() end }

-- A try that runs one guess after the other.
local function each(run)
	return function(first, last, guess_of, add)
		for i = first, last do
			if add(i, run(guess_of(i))) then
				return
			end
		end
	end
end

-- A comparison with early exit, which counts compared bytes; its end counts, too.
local function compares(secret)
	return function(guess)
		secret = secret or SECRET
		for i = 1, #secret do
			if guess:byte(i) ~= secret:byte(i) then
				return i, "exit 1"
			end
		end
		local right = #guess == #secret
		return #secret + 1, right and "exit 0" or "exit 1", right and "yes" or "no", false
	end
end

local function grow(set, run, state)
	state = state or search.new_state()
	local why, scan = search.grow(settings(set), state, each(run), quiet)
	return state, why, scan
end

describe("byte after byte", function()
	it("finds a secret of unknown length", function()
		local state, why = grow({}, compares())
		assert.equal(SECRET, state.found)
		assert.is_true(state.complete)
		assert.truthy(why) -- nothing did better after it
		assert.equal((#SECRET + 1) * #ALPHABET, state.tries)
	end)

	it("finds one of known length, and ends there", function()
		local state, why = grow({ length = #SECRET }, compares())
		assert.equal(SECRET, state.found)
		assert.is_nil(why)
		assert.equal(#SECRET * #ALPHABET, state.tries)
		assert.same({ 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 }, state.scores)
	end)

	it("goes on from a prefix, in front of a suffix", function()
		local state = grow({ prefix = "h00k", suffix = "cpu", length = #SECRET }, compares())
		assert.equal("_th3_", state.found)
	end)

	it("ends when a run is done", function()
		local state, why = grow({}, function(guess)
			local score, status = compares()(guess)
			return score, status, nil, guess == SECRET
		end)
		assert.equal(SECRET, state.found)
		assert.is_true(state.done)
		assert.is_nil(why)
	end)

	it("works from the end", function()
		local function run(guess)
			return (compares(SECRET:reverse())(guess:reverse()))
		end
		local state = grow({ backward = true, length = #SECRET }, function(guess) return run(guess), "exit 1" end)
		assert.equal(SECRET, state.found)
		state = grow({ backward = true, suffix = "cpu", length = #SECRET }, function(guess) return run(guess), "exit 1" end)
		assert.equal("h00k_th3_", state.found)
	end)

	it("takes the first that does better when it is eager", function()
		local state = grow({ eager = true, length = #SECRET }, compares())
		assert.equal(SECRET, state.found)
		assert.is_true(state.tries < #SECRET * #ALPHABET * 0.8)
	end)

	it("says where it is stuck, with the scores", function()
		local state, why, scan = grow({ candidates = search.texts(chars "_045abcdhkptu", 1) }, compares())
		assert.equal("h00k_th", state.found)
		assert.is_falsy(state.complete)
		assert.equal("no candidate stands out: all 13 score 8", why)
		assert.equal(13, #scan.scores)
		assert.same({ "_", 8 }, scan.scores[1])
	end)

	it("tells the last byte by how its run ends, or by what it prints", function()
		local function run(guess)
			local n = 0
			for i = 1, 3 do
				if guess:sub(i, i) ~= ("abc"):sub(i, i) then
					break
				end
				n = i
			end
			return math.min(n, 2), "exit 0", n == 3 and "yes" or "no"
		end
		local state = grow({ length = 3 }, run)
		assert.equal("abc", state.found)
		assert.is_true(state.complete)
	end)

	it("does not take what each right byte changes for the end", function()
		local function counts(guess)
			local n = compares()(guess)
			local all = guess == SECRET
			return all and 0 or n, all and "exit 0" or "exit " .. n, all and "yes" or n - 1 .. " right"
		end
		local function prints(guess)
			local n = compares()(guess)
			return n, "exit 1", n - 1 .. " right"
		end
		for _, run in ipairs { counts, prints } do
			for alphabet, found in pairs { _045abcdhkptu = "h00k_th", h2 = "h" } do
				local set = { candidates = search.texts(chars(alphabet), 1), reads_endings = true }
				for _, length in ipairs { 0, #SECRET } do
					set.length = length > 0 and length or nil
					local state, why = grow(set, run)
					assert.equal(found, state.found)
					assert.is_false(state.complete)
					assert(why:find("^no candidate stands out: all %d+ score " .. #found + 1), why)
				end
			end
		end
		-- Its last one ends well, whatever that is as a score.
		for _, length in ipairs { 0, #SECRET } do
			local state = grow({ length = length > 0 and length or nil, reads_endings = true }, counts)
			assert.equal(SECRET, state.found)
			assert.is_true(state.complete)
		end
	end)

	it("is not misled by output that repeats the guess", function()
		local state, why = grow({}, function(guess)
			return 1, "exit 1", "no such user: " .. guess
		end)
		assert.equal("", state.found)
		assert.equal("no candidate stands out: all 14 score 1", why)
	end)

	it("is not misled by candidates that are refused", function()
		local function run(guess)
			if guess:find "[a-z_]" then
				return 0, "exit 2"
			end
			return compares "4503" (guess)
		end
		local state = grow({}, run)
		assert.equal("4503", state.found)
		local _, why = grow({ candidates = search.texts(chars "abc0538", 1) }, run)
		assert.equal("no candidate stands out: 4 of 7 score 1, the others less", why)
	end)

	it("ends with the shortest where more is taken as well", function()
		local state = grow({}, function(guess)
			return compares()(guess == SECRET .. "_" and SECRET or guess)
		end)
		assert.equal(SECRET, state.found)
		assert.is_true(state.complete)
	end)

	it("stops at max bytes", function()
		local state, why = grow({ max = 5 }, compares())
		assert.equal("h00k_", state.found)
		assert.is_nil(why)
	end)
end)

describe("candidates that do alike", function()
	-- Case does not matter, in the first byte at least.
	local function run(guess)
		local first = guess:sub(1, 1):lower() .. guess:sub(2)
		return compares "abc" (first)
	end
	local both = search.texts(chars "ABCabc", 1)

	it("are named", function()
		local state, why = grow({ candidates = both, length = 3 }, run)
		assert.equal("", state.found)
		assert.equal('"A" and "a" do alike, with the score 2', why)
	end)

	it("are settled by taking the first", function()
		assert.equal("Abc", grow({ candidates = both, length = 3, ties = "first" }, run).found)
	end)

	it("are settled one position ahead", function()
		-- After "B" it goes no further, though B looks as good as a.
		local function trap(guess)
			if guess:sub(1, 1) == "B" then
				return 2, "exit 1"
			end
			return compares "abc" (guess)
		end
		assert.equal("abc", grow({ candidates = both, length = 3, ties = "follow" }, trap).found)
		local _, why = grow({ candidates = both, length = 3, ties = "follow" }, run)
		assert.truthy(why:find "do alike")
	end)
end)

describe("block after block", function()
	it("finds blocks of several bytes", function()
		local secret = "0110" .. "1011" .. "0001"
		local state = grow({ size = 4, candidates = search.texts({ "0", "1" }, 4), length = 12 }, function(guess)
			local n = 0
			while n < 3 and guess:sub(n * 4 + 1, n * 4 + 4) == secret:sub(n * 4 + 1, n * 4 + 4) do
				n = n + 1
			end
			return n, "exit 1"
		end)
		assert.equal(secret, state.found)
		assert.equal(3 * 16, state.tries)
	end)

	it("counts its texts with the last character first", function()
		local texts = search.texts({ "a", "b", "c" }, 2)
		assert.equal(9, texts.count)
		local all = {}
		for i = 1, 9 do
			all[i] = texts.unit(i)
		end
		assert.equal("aa ab ac ba bb bc ca cb cc", table.concat(all, " "))
	end)
end)

describe("a share", function()
	it("has each nth from the kth on, and together they have all", function()
		local texts, seen = search.texts(chars "abcdefg", 1), {}
		for k = 1, 3 do
			local share = search.share(texts, k, 3)
			for i = 1, share.count do
				assert.is_nil(seen[share.unit(i)])
				seen[share.unit(i)] = true
			end
		end
		for _, c in ipairs(chars "abcdefg") do
			assert.is_true(seen[c])
		end
		assert.equal(0, search.share(texts, 8, 9).count)
	end)

	it("with the right byte goes on alone, one without is stuck at once", function()
		local found = {}
		for k = 1, 14 do
			local state, why = grow({ share = { k, 14 }, length = #SECRET }, compares())
			found[#found + 1] = state.found ~= "" and state.found or nil
			assert.equal(state.found == "" and 2 or 2 + 11 * #ALPHABET, state.tries)
			assert.equal(state.found == "", why ~= nil)
		end
		assert.same({ SECRET }, found)
	end)
end)

describe("the length", function()
	it("is the one whose guess stands out", function()
		local state = search.new_state()
		local function run(guess) return #guess == 12 and 5 or 1, "exit 1" end
		assert.equal(12, (search.length(settings { lengths = { 1, 20 } }, each(run), quiet, state)))
		assert.equal(20, state.tries)
		local none, why = search.length(settings { lengths = { 1, 9 } }, each(run), quiet, state)
		assert.is_nil(none)
		assert.equal("no length stands out: no candidate stands out: all 9 score 1", why)
	end)
end)

describe("a list", function()
	local function over(list)
		local at = 0
		return function()
			at = at + 1
			return list[at]
		end
	end
	local words = { "one", "two", "three", "four", "five" }

	local function walk(run, state, set)
		state = state or search.new_state()
		return state, search.walk(settings(set or {}), state, over(words), each(run), quiet)
	end

	it("ends with the one that is done", function()
		local state = walk(function(guess) return 0, "exit 1", nil, guess == "three" end)
		assert.equal("three", state.found)
		assert.is_true(state.complete)
		assert.equal(3, state.tries)
	end)

	it("gives the best, and the one that ended like no other", function()
		local state, why = walk(function(guess) return #guess == 5 and 7 or 1, "exit 1" end)
		assert.equal("three", state.found)
		assert.is_falsy(state.complete)
		assert.is_nil(why)
		state = walk(function(guess) return 0, guess == "four" and "exit 0" or "exit 1" end)
		assert.equal("four", state.found)
		assert.is_true(state.complete)
	end)

	it("says when none stands out", function()
		local _, why = walk(function() return 0, "exit 1" end)
		assert.equal("no candidate stands out: all 5 score 0", why)
		_, why = walk(function() return 0, "exit 1" end, nil, { batch = 3 })
		assert.equal("no candidate stands out: all 5 score 0", why)
	end)
end)

describe("a saved state", function()
	local Store = require "oracle.state"

	-- Interrupted after so many runs, and gone on with from a file each time.
	local function in_pieces(set, run, n)
		local path = os.tmpname()
		local tries = 0
		local function limited(guess)
			tries = tries + 1
			if tries % n == 0 then
				error "interrupted"
			end
			return run(guess)
		end
		local rounds, state = 0, search.new_state()
		repeat
			rounds = rounds + 1
			state = rounds > 1 and Store.load(path, "this") or state
			local watch = { progress = function() Store.save(path, "this", state) end }
			watch.found = watch.progress
			local ok = pcall(search.grow, settings(set), state, each(limited), watch)
		until ok
		os.remove(path)
		return state, rounds
	end

	it("goes on where it was", function()
		for _, n in ipairs { 2, 3, 20, 50 } do
			local state, rounds = in_pieces({ length = #SECRET }, compares(), n)
			assert.equal(SECRET, state.found)
			assert.is_true(rounds > 2)
			assert.equal(#SECRET * #ALPHABET, state.tries)
		end
	end)

	it("keeps bytes of every value", function()
		local path, all = os.tmpname(), {}
		for code = 0, 255 do
			all[#all + 1] = string.char(code)
		end
		local text = table.concat(all)
		Store.save(path, text, { found = text, scores = { 1, 2.5 }, at = 3, [text] = { text } })
		local state = Store.load(path, text)
		assert.equal(text, state.found)
		assert.same({ text }, state[text])
		assert.same({ 1, 2.5 }, { state.scores[1], state.scores[2] })
		os.remove(path)
	end)

	it("of another search, or what is none, is refused", function()
		local path = os.tmpname()
		Store.save(path, "this", { found = "x" })
		local ok, why = pcall(Store.load, path, "that")
		assert.is_false(ok)
		assert.truthy(why:find("it belongs to another search (this)", 1, true))
		local file = io.open(path, "w")
		file:write "{"
		file:close()
		ok, why = pcall(Store.load, path, "this")
		assert.is_false(ok)
		assert.truthy(why:find "this is no state of an oracle")
		os.remove(path)
		assert.is_nil(Store.load(path, "this"))
	end)
end)

describe("noise", function()
	it("is evened out by repeats", function()
		local n = 0
		local function noisy(guess)
			n = n + 1
			local score, status = compares()(guess)
			return n % 4 == 0 and score + 20 or score, status
		end
		local state, why = grow({ length = #SECRET }, search.repeated(noisy, 3, "majority"))
		assert.equal(SECRET, state.found)
		assert.is_nil(why)
		for _, way in ipairs { "median", "min" } do
			assert.equal(SECRET, grow({ length = #SECRET }, search.repeated(noisy, 3, way)).found)
		end
	end)

	it("has ways to make many scores one", function()
		local ways = search.ways
		assert.equal(3, ways.majority({ 5, 3, 3, 9 }, 4))
		assert.equal(2, ways.majority({ 9, 2, 5 }, 3)) -- none is commoner: the least
		assert.equal(5, ways.median({ 9, 2, 5 }, 3))
		assert.equal(2, ways.min({ 9, 2, 5 }, 3))
		assert.equal(9, ways.max({ 9, 2, 5 }, 3))
		assert.equal(4, ways.mean({ 3, 2, 7 }, 3))
	end)
end)

describe("a scan", function()
	it("tells many outputs apart no longer than it is of use", function()
		local scan = Scan.new()
		for i = 1, 1000 do
			Scan.add(scan, tostring(i), 0, "exit 1", "you said " .. i)
		end
		assert.is_nil((Scan.winner(scan)))
		assert.is_nil(next(scan.outputs))
		assert.equal(256, #scan.scores)
	end)

	it("does not take a candidate that is alone for the best", function()
		local scan = Scan.new()
		Scan.add(scan, "a", 3, "exit 1")
		assert.is_nil((Scan.winner(scan)))
		assert.is_nil((Scan.winner(scan, 3)))
		assert.equal("a", (Scan.winner(scan, 2)))
	end)
end)
