#include "engine/launch.h"

#include <errno.h>

int ph_refusal_explain(const struct ph_refusal *refusal, struct ph_err *err)
{
	const char *op = "attach";
	int pid = refusal->pid, code = refusal->code;

	if (refusal->is_self)
		ph_err_say(err, code, op, "process %d is ptracehook itself; name another one", pid);
	else if (!refusal->exists)
		ph_err_say(err, code, op, "no process has the id %d; ps -e lists them", pid);
	else if (refusal->is_kthread)
		ph_err_say(err, code, op, "process %d is a kernel thread, which has no program to trace", pid);
	else if (refusal->is_zombie)
		ph_err_say(err, code, op, "process %d is a zombie: it has ended, and its parent has not reaped it yet", pid);
	else if (refusal->tracer)
		ph_err_say(err, code, op, "process %d is traced by process %d (%s) already; end or detach that one first",
			   pid, refusal->tracer, refusal->tracer_name);
	else if (refusal->yama_scope == 3)
		ph_err_say(err, code, op, "process %d: kernel.yama.ptrace_scope is 3, nobody may attach until the next "
			   "boot; spawn the program instead, or boot with a lower value", pid);
	else if (refusal->yama_scope == 2 && !refusal->can_ptrace)
		ph_err_say(err, code, op, "process %d: kernel.yama.ptrace_scope is 2, only CAP_SYS_PTRACE may attach; run as "
			   "root (sudo)", pid);
	else if (refusal->uid != refusal->our_uid && !refusal->can_ptrace)
		ph_err_say(err, code, op, "process %d belongs to another user (uid %u, ours is %u); run as that user or as "
			   "root (sudo)", pid, refusal->uid, refusal->our_uid);
	else if (refusal->yama_scope == 1 && !refusal->can_ptrace)
		ph_err_say(err, code, op, "process %d: kernel.yama.ptrace_scope is 1, only a parent may attach; run as root "
			   "(sudo), set it to 0 (sysctl kernel.yama.ptrace_scope=0), or spawn the program instead", pid);
	else if (!refusal->can_ptrace && (code == -EPERM || code == -EACCES))
		ph_err_say(err, code, op, "process %d may not be traced by us (set-user-id, not dumpable, or in another user "
			   "namespace) without CAP_SYS_PTRACE; run as root (sudo)", pid);
	else if (code == -EPERM || code == -EACCES)
		ph_err_say(err, code, op, "process %d is protected by the kernel or a security module; dmesg may say which",
			   pid);
	else
		ph_err_set_in(err, code, op, pid);
	return ph_err_because(err, code, PH_CAUSE_TRACE);
}
