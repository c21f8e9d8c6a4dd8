-- oracle/progress.lua: the line that says how far a search is.

local progress = require "oracle.progress"

describe("progress", function()
	local state = { found = "h00k", tries = 500, at = 30 }

	it("shows what is found, the rate, a bar and the time left", function()
		assert.equal('oracle: "h00k"  500 tries, 10 s  50/s  [######..............]  3 s left',
			progress.line(state, 10, 95, 95))
	end)

	it("says nothing of rates before there are any", function()
		assert.equal('oracle: "h00k"  500 tries, 0 s  [######..............]', progress.line(state, 0.1, 95, 95))
		assert.equal('oracle: "h00k"  500 tries, 10 s  50/s', progress.line(state, 10))
	end)

	it("writes long times as people do", function()
		assert.equal("59 s", progress.time(59.9))
		assert.equal("1 min 5 s", progress.time(65))
		assert.equal("2 h 1 min", progress.time(7265))
	end)

	it("quotes what cannot be printed", function()
		assert.equal([["a\"b\\\x00\xff\x0a"]], progress.quote 'a"b\\\0\255\n')
	end)
end)
