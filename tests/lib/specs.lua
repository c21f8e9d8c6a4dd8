-- specs - runs busted's spec files inside ptracehook: ptracehook tests/lib/specs.lua [--tap=FILE] [OPTION...] SPEC...
--
-- With --tap the results go to FILE as TAP (tap.lua); busted's other options stay as they are.

local here = arg[0]:match "^(.*)/[^/]*$" or "."
local tap = arg[1] and arg[1]:match "^%-%-tap=(.+)$"
if tap then
	arg[1] = "--output=" .. here .. "/tap.lua"
	table.insert(arg, 2, "-Xoutput")
	table.insert(arg, 3, tap)
end

-- busted ends a failed run by error(nil) or os.exit; both are a plain 1 here.
local ok, message = pcall(require "busted.runner", { standalone = false })
if not ok and message ~= nil then io.stderr:write(tostring(message), "\n") end
os.exit(ok and 0 or 1)
