/*
 * launch - how sessions begin: a program spawned, a process attached to. The functions are the public ones; here is
 * what they say when it does not work, which is pure and tested without a kernel that refuses.
 */
#ifndef PH_ENGINE_LAUNCH_H
#define PH_ENGINE_LAUNCH_H

#include "ptracehook.h"

/* What is known of a process that could not be seized. */
struct ph_refusal {
	int code;		/* -errno of the attempt */
	pid_t pid;
	bool exists, is_self, is_zombie, is_kthread;
	pid_t tracer;		/* who traces it already; 0: nobody */
	const char *tracer_name;
	uid_t uid, our_uid;
	int yama_scope;		/* kernel.yama.ptrace_scope; negative: no Yama */
	bool can_ptrace;	/* we have CAP_SYS_PTRACE */
};

/* The sentence for it into err: what is wrong and what to do. Returns refusal->code. */
int ph_refusal_explain(const struct ph_refusal *refusal, struct ph_err *err);

#endif
