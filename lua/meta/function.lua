---@meta

-- Functions: hook and replace (breakpoint.lua says how the examples run).

--- What `hook` calls. `proto` types the arguments and the result, as a prototype in place of `where` does.
---
--- - `enter(a1 … a6)`, when the function is entered; it may return an action: `RETURN(v)` returns at once, and `leave` sees
---   that.
--- - `leave(ret)`, when it has returned; a number, an integer or a boolean that it returns is the result from then on, or
---   it may return an action.
--- - `unwound()`, for a call that never returns: longjmp or an exception ended it, or its thread or program ended within it.
---
--- ```lua
--- hook("calc", {
---     enter = function(a, b) this.sum = a + b end,
---     leave = function(ret)
---         assert(ret == this.sum)
---         return ret + 1
---     end,
--- })
--- ```
---@class FunctionHooks
---@field enter? fun(...): Action?
---@field leave? fun(ret: any): number|integer|boolean|Action|nil
---@field unwound? fun(): Action?
---@field proto? string|boolean a C prototype; true: as debug information declares it; false: untyped, whatever that says

--- One call of a hooked function, in its enter, leave and unwound: a table of its own, in which scripts may keep what they
--- like. nil elsewhere.
---
--- ```lua
--- hook("int calc(int a, int b)", { leave = function()
---     assert(this.depth == 1 and this.args.b == this.args[2])
---     assert(where(this.caller):find "show")
--- end })
--- ```
---@class Call
---@field args table the arguments as enter got them; by their names too, when the prototype or debug information has those
---@field caller integer where it returns to
---@field depth integer 1; 2 inside another call of the function in the same thread, and so on

---@type Call
--- The call that the hook is about.
---
--- ```lua
--- hook("calc", { enter = function() assert(this.depth == 1) end })
--- ```
this = nil

--- What `hook` and `replace` give.
---
--- ```lua
--- local handle = hook("calc", { enter = function() end })
--- run()
--- assert(handle.hits == 2)
--- ```
---@class FunctionHandle : Handle
---@field hits integer how often the function was entered

--- Calls functions of the script for each call of a function in the target: recursion, threads, tail calls, signal
--- handlers, longjmp and exceptions are told apart. A call costs two stops, without leave and unwound one.
---
--- `where` is a place, at a function's first instruction, or a C prototype: then the function of that name, its arguments
--- and result typed: integers signed as they are declared (those of 64 bits as int64_t and uint64_t), float and double as
--- numbers, bool as boolean, `const char *` as a string (nil for NULL, the address when it cannot be read), other
--- pointers as addresses. Arguments that do not fit into registers come from the stack; those behind `...` are left out.
--- A name of C++ with its list of parameters is a place; of overloads, a prototype means the one that it declares.
---
--- Without a prototype, debug information (`gcc -g`, or a debug file) types and names what the function takes and gives:
--- whole numbers, booleans and enumerators are numbers of the width and sign that they are declared with, every pointer
--- is an address, structures by value are objects as `mem.as` gives them, long double is a number; what is passed behind
--- `...` follows untyped, up to six registers. `{ proto = true }` goes further: `const char *` is a string and bool a
--- boolean, as with a prototype. Where nothing describes the function (assembler, stripped programs, optimised copies whose
--- arguments are elsewhere), and with `{ proto = false }`, there are six uint64_t, and the result is rax.
---
--- Errors: no such place; one in the middle of an instruction, as far as symbols tell (EINVAL); a prototype that does not
--- parse, declares none of the overloads of its name, or passes what is not passed in registers one by one (structures by
--- value, long double: debug information has those); no function to call. In the hook: what leave returns is none of the
--- above, or for a result that no single register holds; `proto = true` and nothing describes the function.
---
--- ```lua
--- hook("int calc(int a, int b)", {
---     enter = function(a, b) print("calc", a, b) end,
---     leave = function(ret) return ret == 3 and 42 or nil end,
--- })
--- ```
---@param where Where|string
---@param functions FunctionHooks
---@param options? BreakpointOptions all but mode
---@return FunctionHandle
function hook(where, functions, options) end

--- A function of the script in a function's place: it gets the arguments, what it returns is the result; nil leaves rax
--- as it is. `where` and `proto` are as `hook` takes them. Inside, `original` calls the function itself.
---
--- Errors: as `hook` has; a result that is neither number, integer, boolean nor action.
---
--- ```lua
--- replace("calc", function(a, b) return a == 1 and original(a, b) + 39 or 99 end)
--- ```
---@param where Where|string
---@param fn fun(...): any
---@param options? {proto: string|boolean} and BreakpointOptions, but mode
---@return FunctionHandle
function replace(where, fn, options) end

--- In the function that `replace` put there: calls the one that was there before, with these arguments; those left out or
--- nil are what they were. As often as one likes; it waits as `finish` does. nil elsewhere.
---
--- A string, for a pointer or without types, is a pointer to a copy, which is there until the function has returned; the
--- text that a prototype made of an argument, given back unchanged, is where the program has it.
---
--- Errors: more arguments than the prototype has, or six; one that does not fit; a call after one that was unwound; for a
--- copy, what `mem.alloc` raises, such as in a program with a seccomp filter.
---
--- ```lua
--- replace("calc", function() return original() * original(5, 5) end)
--- replace("int puts(const char *text)", function(text) return original(text .. "!") end)
--- ```
---@type fun(...): any, "unwound"?
original = nil

--- `hook` in this session.
---
--- ```lua
--- process.session:hook("calc", { enter = function(a) assert(a == 1 or a == 4) end })
--- ```
---@param where Where|string
---@param functions FunctionHooks
---@param options? BreakpointOptions
---@return FunctionHandle
function Session:hook(where, functions, options) end

--- `replace` in this session.
---
--- ```lua
--- process.session:replace("calc", function() return 0 end)
--- ```
---@param where Where|string
---@param fn fun(...): any
---@param options? {proto: string|boolean}
---@return FunctionHandle
function Session:replace(where, fn, options) end
