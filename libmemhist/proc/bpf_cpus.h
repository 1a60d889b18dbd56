/* Which CPUs a kernel may have: where its per-CPU counters are to be summed. */
#ifndef MEMHIST_PROC_BPF_CPUS_H
#define MEMHIST_PROC_BPF_CPUS_H

#include "libmemhist/proc/bpf/task.h"

#include <stddef.h>

/* A list like "0-3,8-11". Returns the number of CPUs, or 0: malformed, or more than `max`. */
uint32_t mh_bpf_parse_cpus(const char *text, size_t len, uint32_t max,
			   uint32_t ret[MH_BPF_CPUS_MAX]);

/* All possible CPUs of this machine; 0: more than `max`, or unknown. */
uint32_t mh_bpf_cpus(uint32_t ret[MH_BPF_CPUS_MAX], uint32_t max);

#endif
