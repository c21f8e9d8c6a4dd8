#include "engine/hardware.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os/ptrace.h"

static bool is_user(const struct ph_hardware_reg *reg, const struct ph_hardware_user *user)
{
	return reg->serial && reg->user.watch == user->watch && reg->user.breakpoint == user->breakpoint;
}

/* "watch 0x601040 (2), breakpoint 'main'" into buf: each once, with how many it has when it is more than one. */
static void name_users(const struct ph_hardware *table, char *buf, size_t len)
{
	size_t at = 0;

	*buf = '\0';
	for (int i = 0; i < PH_DEBUG_REGS; i++) {
		unsigned int count = 0, before = 0;
		char many[16] = "";

		for (int k = 0; table->regs[i].serial && k < PH_DEBUG_REGS; k++) {
			count += is_user(&table->regs[k], &table->regs[i].user);
			before += k < i && is_user(&table->regs[k], &table->regs[i].user);
		}
		if (!count || before || at >= len)
			continue;
		if (count > 1)
			snprintf(many, sizeof(many), " (%u)", count);
		at += (size_t)snprintf(buf + at, len - at, "%s%s%s", at ? ", " : "", table->regs[i].user.label, many);
	}
}

static int refuse(const struct ph_process *process, unsigned int n, unsigned int n_free, struct ph_err *err)
{
	char users[256];

	name_users(&process->hardware, users, sizeof(users));
	return ph_err_say(err, -EBUSY, "take debug registers",
			  "%u of the CPU's four debug registers needed, %u free: held by %s%s", n, n_free, users,
			  process->session->policy.hardware ? "; breakpoints take them all (policy{hardware = true}), to change "
			  "no byte of the text: more would need pages that are run but not read, and a CPU with protection keys" : "");
}

int ph_hardware_take(struct ph_process *process, const struct ph_hardware_user *user,
		     const struct ph_debug_piece *pieces, unsigned int n, struct ph_err *err)
{
	struct ph_hardware *table = &process->hardware;
	struct ph_session *session = process->session;
	unsigned int n_free = 0;

	for (int i = 0; i < PH_DEBUG_REGS; i++)
		n_free += !table->regs[i].serial;
	if (n_free < n)
		return refuse(process, n, n_free, err);
	for (int i = 0; n && i < PH_DEBUG_REGS; i++) {
		if (table->regs[i].serial)
			continue;
		table->regs[i] = (struct ph_hardware_reg){ .piece = *pieces++, .serial = session->next_serial++,
							   .user = *user };
		n--;
	}
	table->version = session->next_serial++;
	return 0;
}

void ph_hardware_give(struct ph_process *process, const struct ph_hardware_user *user)
{
	struct ph_hardware *table = &process->hardware;
	bool found = false;

	for (int i = 0; i < PH_DEBUG_REGS; i++) {
		if (!is_user(&table->regs[i], user))
			continue;
		table->regs[i] = (struct ph_hardware_reg){ 0 };
		found = true;
	}
	if (found)
		table->version = process->session->next_serial++;
}

bool ph_hardware_has(const struct ph_process *process, const struct ph_hardware_user *user, ph_addr low, ph_addr high)
{
	for (int i = 0; i < PH_DEBUG_REGS; i++)
		if (is_user(&process->hardware.regs[i], user) && process->hardware.regs[i].piece.addr - low < high - low)
			return true;
	return false;
}

void ph_hardware_inherit(const struct ph_process *parent, struct ph_process *child)
{
	child->hardware = parent->hardware;
	child->first_watch = parent->first_watch;
}

void ph_hardware_forget(struct ph_thread *survivor)
{
	struct ph_process *process = survivor->process;

	memset(process->hardware.regs, 0, sizeof(process->hardware.regs));
	process->hardware.version = process->session->next_serial++;
	process->first_watch = process->session->next_watch;
	memset(survivor->armed.serials, 0, sizeof(survivor->armed.serials));
	memset(survivor->armed.addrs, 0, sizeof(survivor->armed.addrs));
}

void ph_hardware_note_birth(const struct ph_thread *parent, struct ph_thread *child)
{
	child->armed.control = parent->armed.control;
}

/* What triggered for a use that ends now, and was not told yet, is nobody's. */
static void drop_hits(const struct ph_thread *thread, const struct ph_hardware *table)
{
	uint64_t status;

	if (ph_os_debug_reg_read(thread->tid, PH_DEBUG_STATUS, &status) < 0 || !ph_debug_triggered(status))
		return;
	for (int i = 0; i < PH_DEBUG_REGS; i++)
		if (thread->armed.serials[i] != table->regs[i].serial)
			status &= ~(1ull << i);
	ph_os_debug_reg_write(thread->tid, PH_DEBUG_STATUS, status);
}

static int write_regs(struct ph_thread *thread, const struct ph_hardware *table)
{
	struct ph_armed *armed = &thread->armed;
	struct ph_debug_piece pieces[PH_DEBUG_REGS];
	int r;

	/* An enabled register takes no address that does not suit its length: all off first. */
	if (armed->control) {
		r = ph_os_debug_reg_write(thread->tid, PH_DEBUG_CONTROL, 0);
		if (r < 0)
			return r;
		armed->control = 0;
	}
	for (unsigned int i = 0; i < PH_DEBUG_REGS; i++) {
		pieces[i] = table->regs[i].piece;
		if (!table->regs[i].serial || armed->addrs[i] == pieces[i].addr)
			continue;
		r = ph_os_debug_reg_write(thread->tid, i, pieces[i].addr);
		if (r < 0)
			return r;
		armed->addrs[i] = pieces[i].addr;
	}
	if (!ph_debug_control(pieces))
		return 0;
	r = ph_os_debug_reg_write(thread->tid, PH_DEBUG_CONTROL, ph_debug_control(pieces));
	if (r >= 0)
		armed->control = ph_debug_control(pieces);
	return r;
}

int ph_hardware_arm(struct ph_thread *thread, struct ph_err *err)
{
	const struct ph_hardware *table = &thread->process->hardware;
	int r;

	if (thread->armed.control)
		drop_hits(thread, table);
	r = write_regs(thread, table);
	if (r == -ESRCH)
		return ph_err_set_in(err, r, "write debug registers", thread->tid);
	if (r < 0)
		return ph_err_say(err, -EOPNOTSUPP, "write debug registers", "this machine has no debug registers to give (%s); "
				  "a watch with {soft = true} needs none", ph_errno_name(r));
	thread->armed.version = table->version;
	for (int i = 0; i < PH_DEBUG_REGS; i++)
		thread->armed.serials[i] = table->regs[i].serial;
	return 0;
}

void ph_hardware_disarm(struct ph_thread *thread)
{
	struct ph_armed *armed = &thread->armed;

	if (armed->control)
		ph_os_debug_reg_write(thread->tid, PH_DEBUG_CONTROL, 0);
	for (unsigned int i = 0; i < PH_DEBUG_REGS; i++)
		if (armed->addrs[i])
			ph_os_debug_reg_write(thread->tid, i, 0);
	if (armed->version)
		ph_os_debug_reg_write(thread->tid, PH_DEBUG_STATUS, 0);
	*armed = (struct ph_armed){ 0 };
}

static unsigned int read_triggered(const struct ph_thread *thread)
{
	uint64_t status;

	if (!thread->armed.control || ph_os_debug_reg_read(thread->tid, PH_DEBUG_STATUS, &status) < 0)
		return 0;
	return ph_debug_triggered(status);
}

unsigned int ph_hardware_take_hits(struct ph_thread *thread, bool *ret_any)
{
	unsigned int triggered = read_triggered(thread);

	*ret_any = triggered;
	if (triggered)
		ph_os_debug_reg_write(thread->tid, PH_DEBUG_STATUS, 0);
	for (int i = 0; i < PH_DEBUG_REGS; i++)
		if (!thread->armed.serials[i] || thread->armed.serials[i] != thread->process->hardware.regs[i].serial)
			triggered &= ~(1u << i);
	return triggered;
}

bool ph_hardware_has_hits(struct ph_thread *thread)
{
	return read_triggered(thread) != 0;
}

bool ph_hardware_executes_at(const struct ph_process *process, ph_addr addr)
{
	for (int i = 0; i < PH_DEBUG_REGS; i++)
		if (process->hardware.regs[i].serial && process->hardware.regs[i].piece.access == PH_ACCESS_EXECUTE &&
		    process->hardware.regs[i].piece.addr == addr)
			return true;
	return false;
}
