#include "engine/decode.h"

#include <errno.h>

int ph_decode_at(struct ph_thread *thread, ph_addr addr, struct ph_insn *ret, struct ph_err *err)
{
	uint8_t bytes[PH_INSN_MAX];
	struct ph_err why = { 0 };
	size_t n = sizeof(bytes);
	int r = -EFAULT;

	if (ph_space_read(thread->process->space, thread->tid, addr, bytes, n, &why) < 0)
		n = why.done;
	if (n > 0)
		r = ph_insn_decode(bytes, n, ret);
	if (r == -ELIBACC)
		return ph_err_say(err, r, "decode instruction", "the library that does it is not there: install libzydis4.0");
	if (r < 0)
		return ph_err_say(err, -EILSEQ, "decode instruction", "what stands at 0x%llx is no instruction",
				  (unsigned long long)addr);
	return 0;
}
