/*
 * What a program has to learn of the kernel it runs in and of the procfs it serves, once, before
 * it can make records: see struct secrets. To be run by the process that will read the records.
 */
#ifndef MEMHIST_PROC_BPF_TASK_LEARN_BPF_H
#define MEMHIST_PROC_BPF_TASK_LEARN_BPF_H

#include "libmemhist/proc/bpf/task_common.bpf.h"

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

struct bpf_array {
	void *pptrs[1];
};

#pragma clang attribute pop

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, uint32_t);
	__type(value, uint64_t);
} percpu_map SEC(".maps");

uint32_t learned_ends; /* for the library: ends_with_memory() */

/*
 * Learn where the per-CPU areas begin. The kernel's own table of them cannot be named from here
 * everywhere, but the elements of a per-CPU map of ours lie in those areas, and the map has their
 * common address: the difference is the offset of a CPU.
 */
static __always_inline void learn_offsets(struct secrets *s)
{
	uint64_t map = as_number(s, &percpu_map);
	uint64_t base = load_u64(map + bpf_core_field_offset(struct bpf_array, pptrs));
	uint32_t zero = 0;

	base = as_number(s, (void *)base);
#pragma clang loop unroll(disable)
	for (uint32_t i = 0; i < MH_BPF_CPUS_MAX && i < config.n_cpus; i++)
		s->offset[i] = as_number(s, bpf_map_lookup_percpu_elem(&percpu_map, &zero,
								       config.cpu[i])) -
			       base;
}

/* Learn it all; the procfs is that of the namespace of this level in which `pid` is. */
static __always_inline void learn(struct secrets *s, const struct pid *pid, uint32_t level)
{
	struct upid upid = {0};

	s->level = level;
	load_upid((uint64_t)pid + bpf_core_field_offset(struct pid, numbers) +
			  level * bpf_core_type_size(struct upid),
		  &upid);
	s->ns = upid.ns;
	if (has_percpu_rss())
		learn_offsets(s);
	learned_ends = ends_with_memory();
	s->ready = 1;
}

#endif
