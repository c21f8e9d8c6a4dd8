-- What is compared with our input is the secret.
local s = spawn { arg[1], stdin = { data = "guess\n" }, stdout = "null" }
s:bp("libc!strcmp", function()
	if mem.cstr(regs.rdi) == "guess" then
		print(mem.cstr(regs.rsi))
		return KILL
	end
end)
s:run()
