/*
 * Reading what the verifier has no type for with bpf_probe_read_kernel(), which every kernel has.
 */
#ifndef MEMHIST_PROC_BPF_TASK_PROBE_BPF_H
#define MEMHIST_PROC_BPF_TASK_PROBE_BPF_H

#include "libmemhist/proc/bpf/task_common.bpf.h"

static __always_inline void load_counters(const uint64_t at[4], uint64_t offset, int32_t ret[4])
{
	/* side by side since 6.6: one call instead of four */
	if (at[1] - at[0] == 4 && at[2] - at[1] == 4 && at[3] - at[2] == 4) {
		bpf_probe_read_kernel(ret, 4 * sizeof(*ret), (void *)(at[0] + offset));
		return;
	}
	bpf_probe_read_kernel(&ret[0], sizeof(*ret), (void *)(at[0] + offset));
	bpf_probe_read_kernel(&ret[1], sizeof(*ret), (void *)(at[1] + offset));
	bpf_probe_read_kernel(&ret[2], sizeof(*ret), (void *)(at[2] + offset));
	bpf_probe_read_kernel(&ret[3], sizeof(*ret), (void *)(at[3] + offset));
}

static __always_inline uint64_t load_u64(uint64_t address)
{
	uint64_t value = 0;

	bpf_probe_read_kernel(&value, sizeof(value), (void *)address);
	return value;
}

static __always_inline void load_upid(uint64_t address, struct upid *ret)
{
	bpf_probe_read_kernel(&ret->nr, sizeof(ret->nr),
			      (void *)(address + bpf_core_field_offset(struct upid, nr)));
	ret->ns = (void *)load_u64(address + bpf_core_field_offset(struct upid, ns));
}

#endif
