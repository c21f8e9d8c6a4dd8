-- What libraries in C and through ffi find in the program.
local ffi = require "ffi"

describe("libraries", function()
	it("finds functions of libm through ffi.C", function()
		ffi.cdef "double cbrt(double x); double hypot(double x, double y);"
		assert.near(3, ffi.C.cbrt(27), 1e-12)
		assert.equal(5, ffi.C.hypot(3, 4))
	end)

	it("computes as Lua does everywhere", function()
		assert.equal(8, 2 ^ 3)
		assert.equal(1.5, 7.5 % 3 % 2)
		assert.equal(0, math.sin(0))
		assert.equal(1, math.cos(0))
		assert.equal(0, math.tan(0))
		assert.equal(3, math.sqrt(9))
		assert.equal(1, math.exp(0))
		assert.equal(0, math.log(1))
		assert.equal(2, math.log10(100))
		assert.equal(1, math.fmod(7, 3))
		assert.near(math.pi / 4, math.atan(1), 1e-15)
		assert.near(math.pi / 4, math.atan2(2, 2), 1e-15)
		assert.near(math.pi / 2, math.asin(1), 1e-15)
		assert.equal(0, math.acos(1))
		assert.equal(0, math.sinh(0))
		assert.equal(1, math.cosh(0))
		assert.equal(0, math.tanh(0))
		assert.equal(1024, math.pow(2, 10))
	end)

	-- What is left once cannot be left again: EINVAL (rseq(2)). Where the C library has none it is the same.
	it("runs in no restartable sequences of ours", function()
		ffi.cdef [[
			long syscall(long number, ...);
			unsigned long pthread_self(void);
			extern const ptrdiff_t __rseq_offset;
		]]
		local ok, offset = pcall(function() return ffi.C.__rseq_offset end)
		if not ok then
			return pending "a C library before 2.35"
		end
		local area = ffi.cast("char *", ffi.C.pthread_self()) + offset
		local r = ffi.C.syscall(ffi.cast("long", 334), area, ffi.cast("unsigned int", 32), ffi.cast("int", 1),
			ffi.cast("unsigned int", 0x53053053))
		assert.equal(-1, tonumber(r))
		assert.equal(22, ffi.errno())
	end)

	it("gives one ffi, the one that everybody has", function()
		assert.equal(ffi, require "ffi")
		assert.equal("cdata", type(ffi.new "int"))
	end)
end)
