std = "luajit"
max_line_length = 120
codes = true

-- What scripts find in _G, for every Lua file: our own modules may use it, too.
globals = { "arg", "regs", "mem", "state", "this" }
read_globals = {
  "args", "asm", "attach", "backtrace", "bp", "bps", "bt", "call", "core", "detach", "disasm", "E", "f64", "find_sym", "find_syms",
  "finish", "hex", "hexdump", "hook", "i32", "i64", "insns", "key", "kill", "line", "locals", "modules", "nop", "num", "on",
  "original", "original_bytes", "patch", "policy", "process", "ptracehook", "redirect", "repl", "replace", "run",
  "cont", "pause", "ctx", "dis", "restart", "quit", "save", "load_script", "reload", "help",
  "load_snapshot", "run_to", "SIG", "sleep", "snapshot", "spawn", "stats", "step", "step_over", "steps", "sym", "SYS", "syscall",
  "thread", "threads", "u64", "watch", "where",
  "CONTINUE", "DETACH", "GOTO", "KILL", "REMOVE", "RETURN", "SIGNAL", "SKIP", "STEP", "STOP", "SUPPRESS",
}

files["tests/**/*_spec.lua"] = { std = "+busted", ignore = { "581" } } -- not (a < b) is what they test
files["lua/ptracehook/init.lua"] = { globals = { "print", "os" } } -- mended for 64-bit numbers
files["lua/meta"] = { ignore = { "1", "2", "4", "6" } } -- declarations only
files["lua/ptracehook/relay.lua"] = { globals = { "coroutine" } } -- hands on what hooks wait for
