#include "engine/mapping.h"

#include <sys/syscall.h>

#include "engine/placing.h"
#include "os/procfs.h"

static bool changes_mappings(uint64_t number)
{
	static const long numbers[] = { SYS_mmap, SYS_mprotect, SYS_pkey_mprotect, SYS_mremap, SYS_munmap, SYS_shmat, SYS_shmdt };

	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		if ((uint64_t)numbers[i] == number)
			return true;
	return false;
}

/* The site stands, but not its byte: the program wrote there itself, and what it wrote is what it means. */
static void put_back(struct ph_thread *thread, struct ph_breakpoint *breakpoint, ph_addr addr)
{
	struct ph_space *space = thread->process->space;
	struct ph_site *site = ph_space_site_find(space, addr);
	uint8_t now;

	if (!site || !site->armed)
		return;
	if (ph_space_read_raw(space, thread->tid, addr, &now, 1, NULL) < 0) {
		ph_breakpoints_unload(thread->process, addr, addr + 1);
	} else if (now != PH_TRAP_BYTE) {
		site->original = now;
		ph_space_forget_copies(space, addr, 1);
		ph_space_site_lower(space, thread->tid, site, NULL);
		if (addr == breakpoint->address)
			ph_breakpoint_see_original(breakpoint, space, thread->tid, addr);
	}
}

static bool is_executable(const struct ph_maps *maps, ph_addr addr)
{
	const struct ph_map_entry *entry = ph_os_maps_find(maps, addr);

	return entry && entry->perms[2] == 'x';
}

/* maps: as they have just become; NULL: they are as they were. */
static void look_after(struct ph_thread *thread, struct ph_breakpoint *breakpoint, const struct ph_maps *maps)
{
	struct ph_process *process = thread->process;

	for (size_t i = breakpoint->n_locations; i-- > 0;)
		if (i < breakpoint->n_locations && breakpoint->locations[i].space == process->space)
			put_back(thread, breakpoint, breakpoint->locations[i].addr);
	if (maps && !breakpoint->n_addresses && (breakpoint->where || is_executable(maps, breakpoint->address)))
		ph_placing_place(breakpoint, process, NULL);
}

void ph_mapping_stopped(struct ph_thread *thread)
{
	struct ph_session *session = thread->process->session;
	struct ph_breakpoint *breakpoint;
	struct ph_maps maps = { 0 };
	bool is_change, any = false;

	if (!session->wants_mappings || thread->process->silent || ph_thread_regs_fetch(thread, NULL) < 0)
		return;
	is_change = changes_mappings(thread->view.regs.orig_rax) && ph_os_maps_read(thread->tid, &maps) >= 0;
	ph_list_each(breakpoint, &session->breakpoints, struct ph_breakpoint, in_session) {
		if (!breakpoint->has_waited || !breakpoint->enabled)
			continue;
		any = true;
		look_after(thread, breakpoint, is_change ? &maps : NULL);
	}
	ph_os_maps_fini(&maps);
	session->wants_mappings = any;
}
