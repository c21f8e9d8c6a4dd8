/*
 * vm - bytes of a target's memory, as they are (breakpoints of ours included).
 *
 * process_vm_readv is the fast way for much, /proc/PID/mem for little (no iovecs to copy in, no mm to look up: 1.2 us
 * against 1.7 on Linux 6.18); the latter also reads what the former cannot (PROT_NONE) and says exactly how far it got. Writes go through /proc/PID/mem, which also writes read-only text (FOLL_FORCE: the page is copied on
 * write), and by PTRACE_POKEDATA where the kernel forbids that (proc_mem.force_override, Linux 6.12).
 */
#ifndef PH_OS_VM_H
#define PH_OS_VM_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "base/types.h"

/* A descriptor of /proc/TID/mem, or -errno. It stays with the memory of that moment: an exec needs a new one. */
int ph_os_vm_open(pid_t tid);

/* That memory is gone: by an exec, or with its process. */
bool ph_os_vm_is_gone(int fd);

/* len bytes, or -errno with *ret_done good ones before the first that could not be read or written. */
int ph_os_vm_read(pid_t tid, int fd, ph_addr addr, void *buf, size_t len, size_t *ret_done);
int ph_os_vm_write(pid_t tid, int fd, ph_addr addr, const void *buf, size_t len, size_t *ret_done);


/* Many ranges at once, ours[i] for theirs[i], which are as long; what may not be written the fast way goes the other. */
int ph_os_vm_write_many(pid_t tid, int fd, const struct iovec *ours, const struct iovec *theirs, size_t n,
			ph_addr *ret_bad);

/* The same the other way. */
int ph_os_vm_read_many(pid_t tid, int fd, const struct iovec *ours, const struct iovec *theirs, size_t n,
		       ph_addr *ret_bad);

#endif
