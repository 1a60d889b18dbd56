/* What the exporter itself uses: the figures behind Prometheus' standard process_* metrics. */
#ifndef MEMHIST_EXPORTER_SELF_H
#define MEMHIST_EXPORTER_SELF_H

#include "libmemhist/base/timespec.h"

struct self {
	double cpu_seconds;
	mh_ms_t start_ms; /* wall clock; found once, then kept */
	uint64_t resident_bytes;
	uint64_t virtual_bytes;
	double virtual_max_bytes; /* as the limit says; -1 = no limit, as Prometheus' clients do */
	uint64_t open_fds;
	double max_fds; /* the same */
	uint32_t threads;
};

/*
 * Read the figures of this process from its own /proc/self, whatever --path.procfs is.
 * Zero-initialise before the first call. Returns 0 or -errno (no /proc).
 */
int self_read(struct self *s);

#endif
