# shellcheck shell=bash
# terminal - tests on a real terminal: tmux with a shell in it, on top of tests/lib/e2e.sh and common.bash.

# open_terminal [COLUMNS]: a shell of job control with the prompt "sh$ "; what is typed goes there.
open_terminal() {
	command -v tmux >/dev/null || skip "no tmux"
	terminal=$PWD/tmux
	export HOME=$PWD XDG_STATE_HOME=$PWD/state XDG_CONFIG_HOME=$PWD/config PS1='sh$ ' TERM=screen
	tmux -S "$terminal" -f /dev/null new-session -d -x "${1-180}" -y 50 \
		"exec bash --noprofile --rcfile <(echo \"PS1='sh$ '\") -i"
	tmux -S "$terminal" set-option -g history-limit 3000 >/dev/null
	trap 'close_terminal; e2e_cleanup' EXIT
	wait_for_screen '^sh\$'
}

# What was started there has ended when this returns.
close_terminal() {
	local pid pids='' name
	name=$(terminal_name)
	[ -z "$name" ] || pids=$(pgrep -t "$name")
	tmux -S "$terminal" kill-server 2>/dev/null
	for pid in $pids; do wait_until not is_alive "$pid"; done
}

terminal_name() { tmux -S "$terminal" display-message -p '#{pane_tty}' 2>/dev/null | sed 's,^/dev/,,'; }

# keys KEY...: as tmux names them; line TEXT: as it is, and Enter.
keys() { tmux -S "$terminal" send-keys "$@"; }
line() {
	tmux -S "$terminal" send-keys -l -- "$1"
	keys Enter
}

# Without the spaces that lines end with, those of prompts too.
screen() { tmux -S "$terminal" capture-pane -p -J | sed 's/ *$//'; }
everything() { tmux -S "$terminal" capture-pane -p -J -S -3000 | sed 's/ *$//'; }

# in_terminal NAME: the pid of a program that was started there.
in_terminal() {
	pgrep -x "$1" -t "$(terminal_name)"
}

# wait_for_screen REGEX: some line of it is like that.
wait_for_screen() {
	ran="screen like: $1" status=waiting
	until screen >stdout && grep -Eq -- "$1" stdout; do
		read -rt 0.02 <>/dev/fd/"$e2e_never" || true
	done
}

# The last line that is not empty is like that: a prompt that waits.
last_line_is() { screen | grep . | tail -n 1 | grep -Eq -- "$1"; }
wait_for_prompt() {
	ran="prompt like: $1" status=waiting
	until last_line_is "$1"; do
		screen >stdout
		read -rt 0.02 <>/dev/fd/"$e2e_never" || true
	done
}
