-- bignum - a model of 64-bit integers to hold them against, and random values with their models.
--
-- Sign and magnitude, the magnitude as limbs of 16 bits, lowest first; plain Lua numbers only.

local ffi = require "ffi"

local LIMBS = 5
local model = {}

function model.new(negative, limbs)
	for i = 1, LIMBS do
		limbs[i] = limbs[i] or 0
	end
	return { negative = negative, limbs = limbs }
end

function model.less(a, b) -- magnitudes
	for i = LIMBS, 1, -1 do
		if a[i] ~= b[i] then
			return a[i] < b[i]
		end
	end
	return false
end

function model.wrap(limbs)
	local carry = 0
	local out = {}
	for i = 1, 4 do
		local n = (limbs[i] or 0) + carry
		out[i] = n % 65536
		carry = math.floor(n / 65536)
	end
	out[5] = 0
	return out
end

function model.negate(limbs)
	local out = {}
	for i = 1, 4 do
		out[i] = 65535 - limbs[i]
	end
	out[1] = out[1] + 1
	return model.wrap(out)
end

function model.bits(v)
	return v.negative and model.negate(v.limbs) or model.wrap(v.limbs)
end

function model.add(a, b)
	local out = {}
	for i = 1, 4 do
		out[i] = a[i] + b[i]
	end
	return model.wrap(out)
end

function model.mul(a, b)
	local out = { 0, 0, 0, 0 }
	for i = 1, 4 do
		for j = 1, 5 - i do
			out[i + j - 1] = out[i + j - 1] + a[i] * b[j]
		end
	end
	return model.wrap(out)
end

function model.divmod(a, b)
	local q, r = model.new(false, {}).limbs, model.new(false, {}).limbs
	for i = LIMBS, 1, -1 do
		for bit = 15, 0, -1 do
			local carry = math.floor(a[i] / 2 ^ bit) % 2
			for k = 1, LIMBS do
				local n = r[k] * 2 + carry
				r[k], carry = n % 65536, n >= 65536 and 1 or 0
			end
			if not model.less(r, b) then
				local borrow = 0
				for k = 1, LIMBS do
					local n = r[k] - b[k] - borrow
					r[k], borrow = n % 65536, n < 0 and 1 or 0
				end
				q[i] = q[i] + 2 ^ bit
			end
		end
	end
	return q, r
end

function model.decimal(v)
	local limbs, digits = { unpack(v.limbs) }, {}
	repeat
		local rest, any = 0, false
		for i = LIMBS, 1, -1 do
			local n = rest * 65536 + limbs[i]
			limbs[i], rest = math.floor(n / 10), n % 10
			any = any or limbs[i] > 0
		end
		table.insert(digits, 1, ("%d"):format(rest))
	until not any
	return (v.negative and "-" or "") .. table.concat(digits)
end

function model.same(a, b)
	for i = 1, 4 do
		if a[i] ~= b[i] then
			return false
		end
	end
	return true
end

function model.is_zero(limbs)
	return model.same(limbs, { 0, 0, 0, 0 }) and limbs[5] == 0
end

function model.value_less(a, b)
	if a.negative ~= b.negative then
		return a.negative
	elseif a.negative then
		return model.less(b.limbs, a.limbs)
	end
	return model.less(a.limbs, b.limbs)
end

local view = ffi.new "union { uint16_t limbs[4]; uint64_t u; int64_t i; }"

local function limbs_of(x)
	if ffi.istype("int64_t", x) then
		view.i = x
	else
		view.u = x
	end
	return { view.limbs[0], view.limbs[1], view.limbs[2], view.limbs[3], 0 }
end

local random = math.random

local function random_limb()
	local kind = random(4)
	return kind == 1 and 0 or kind == 2 and 65535 or kind == 3 and random(0, 3) or random(0, 65535)
end

-- -> a value of the kind, and its model
function model.random_value(kind)
	if kind == "number" then
		local n = random(0, 1) == 0 and random(0, 20) or random(0, 2 ^ 31 - 1) * 2 ^ random(0, 33)
		n = random(0, 1) == 0 and n <= 2 ^ 63 and -n or n
		local m, limbs = math.abs(n), {}
		for i = 1, LIMBS do
			limbs[i] = m % 65536
			m = math.floor(m / 65536)
		end
		return n, model.new(n < 0, limbs)
	end
	for i = 0, 3 do
		view.limbs[i] = random_limb()
	end
	local x = kind == "u64" and view.u or view.i
	local negative = kind == "i64" and view.limbs[3] >= 32768
	local limbs = limbs_of(x)
	return x, model.new(negative, negative and model.negate(limbs) or limbs)
end

local kinds = { "u64", "i64", "number" }

function model.random_pair()
	local k1, k2
	repeat
		k1, k2 = kinds[random(3)], kinds[random(3)]
	until k1 ~= "number" or k2 ~= "number"
	local a, ma = model.random_value(k1)
	local b, mb = model.random_value(k2)
	if random(8) == 1 and k1 == k2 then
		b, mb = a, ma
	end
	return a, b, ma, mb
end

model.limbs_of, model.kinds = limbs_of, kinds

-- What went wrong with an operator, as an error of its caller.
function model.fail(op, a, b, got)
	error(("%s %s %s (%s, %s) gave %s"):format(tostring(a), op, tostring(b), type(a) == "cdata"
		and tostring(ffi.typeof(a)) or "number", type(b) == "cdata" and tostring(ffi.typeof(b)) or "number",
		tostring(got)), 2)
end

return model
