/* Chance, names and /proc/meminfo of the made day. */
#include "tests/bench/day_machine.h"

#include <stdio.h>
#include <string.h>

/* --- chance ----------------------------------------------------------------------------------- */

void day_draw_seed(struct day_draw *draw, uint64_t seed)
{
	/* never 0, where xorshift would stay */
	draw->state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
}

void day_draw_init(struct day_draw *draw, uint64_t seed, uint32_t mean_delta)
{
	uint64_t longer = UINT32_MAX;

	day_draw_seed(draw, seed);
	for (uint32_t i = 0; i < DAY_DELTA_MAX; i++) {
		longer = longer * (mean_delta - 1) / mean_delta;
		draw->longer[i] = (uint32_t)longer;
	}
}

/* xorshift64*: its upper half */
static uint32_t next(struct day_draw *draw)
{
	draw->state ^= draw->state >> 12;
	draw->state ^= draw->state << 25;
	draw->state ^= draw->state >> 27;
	return (uint32_t)((draw->state * UINT64_C(2685821657736338717)) >> 32);
}

uint32_t day_chance(struct day_draw *draw, uint32_t below)
{
	return (uint32_t)((uint64_t)next(draw) * below >> 32);
}

uint64_t day_draw_delta(struct day_draw *draw)
{
	uint32_t drawn = next(draw), low = 0, high = DAY_DELTA_MAX;

	/* the first that is not longer than what was drawn; longer[] falls */
	while (low < high) {
		uint32_t middle = (low + high) / 2;

		if (draw->longer[middle] > drawn)
			low = middle + 1;
		else
			high = middle;
	}
	return low + 1;
}

/* --- names ------------------------------------------------------------------------------------ */

enum { PROGRAMS = 120, SERVICES = 60, USERS = 12 };

void day_names(struct day_names *ret, uint32_t kind, uint32_t ppid)
{
	uint32_t program = kind % PROGRAMS, service = kind % SERVICES;
	int cmdline_len;

	if (kind == DAY_KIND_INIT) {
		snprintf(ret->comm, sizeof(ret->comm), "systemd");
		cmdline_len = snprintf(ret->cmdline, sizeof(ret->cmdline), "/sbin/init");
		snprintf(ret->exe, sizeof(ret->exe), "/usr/lib/systemd/systemd");
		snprintf(ret->cgroup, sizeof(ret->cgroup), "/init.scope");
	} else {
		snprintf(ret->comm, sizeof(ret->comm), "program-%u", program);
		snprintf(ret->exe, sizeof(ret->exe), "/usr/bin/program-%u", program);
		cmdline_len = snprintf(ret->cmdline, sizeof(ret->cmdline),
				       "%s%c--config%c/etc/program/%u.conf%c--job=%08x", ret->exe,
				       0, 0, service, 0, kind * 2654435761u);
		snprintf(ret->cgroup, sizeof(ret->cgroup), "/system.slice/service-%u.service",
			 service);
	}
	ret->names = (struct mh_names){
		.ppid = kind == DAY_KIND_INIT ? 0 : ppid,
		.uid = kind == DAY_KIND_INIT ? 0 : 1000 + kind % USERS,
		.comm = ret->comm,
		.comm_len = strlen(ret->comm),
		.cmdline = ret->cmdline,
		.cmdline_len = (size_t)cmdline_len,
		.exe = ret->exe,
		.exe_len = strlen(ret->exe),
		.cgroup = ret->cgroup,
		.cgroup_len = strlen(ret->cgroup),
	};
}

/* --- the machine ------------------------------------------------------------------------------ */

const struct mh_boot_id day_boot_id = {{0x5e, 0xed, 0x0d, 0xa4, 0x11, 0x22, 0x43, 0x44, 0x95, 0x66,
					0x77, 0x88, 0x99, 0xaa, 0xbb, 0xcc}};

/*
 * As Linux 6.18 prints it, and behind it the counters of other files. A line moves by up to `step`
 * in each snapshot; 0: it does not.
 */
static const struct {
	const char *key;
	uint64_t value;
	uint32_t step;
	bool is_kib;
} lines[] = {
	{"MemTotal", 65787212, 0, true},
	{"MemFree", 4023524, 40000, true},
	{"MemAvailable", 40035364, 40000, true},
	{"Buffers", 810516, 0, true},
	{"Cached", 31118164, 4000, true},
	{"SwapCached", 13420, 0, true},
	{"Active", 18690700, 8000, true},
	{"Inactive", 20636828, 8000, true},
	{"Active(anon)", 9171772, 4000, true},
	{"Inactive(anon)", 1205972, 0, true},
	{"Active(file)", 9518928, 2000, true},
	{"Inactive(file)", 19430856, 2000, true},
	{"Unevictable", 22676, 0, true},
	{"Mlocked", 21752, 0, true},
	{"SwapTotal", 8388604, 0, true},
	{"SwapFree", 7340020, 0, true},
	{"Zswap", 0, 0, true},
	{"Zswapped", 0, 0, true},
	{"Dirty", 23624, 3000, true},
	{"Writeback", 0, 0, true},
	{"AnonPages", 9221768, 6000, true},
	{"Mapped", 2069988, 900, true},
	{"Shmem", 508856, 100, true},
	{"KReclaimable", 1717612, 200, true},
	{"Slab", 2154072, 400, true},
	{"SReclaimable", 1717612, 200, true},
	{"SUnreclaim", 436460, 200, true},
	{"KernelStack", 32144, 60, true},
	{"PageTables", 84920, 300, true},
	{"SecPageTables", 0, 0, true},
	{"NFS_Unstable", 0, 0, true},
	{"Bounce", 0, 0, true},
	{"WritebackTmp", 0, 0, true},
	{"CommitLimit", 41282210, 0, true},
	{"Committed_AS", 30384400, 30000, true},
	{"VmallocTotal", 34359738367, 0, true},
	{"VmallocUsed", 214940, 0, true},
	{"VmallocChunk", 0, 0, true},
	{"Percpu", 26880, 0, true},
	{"AnonHugePages", 2048000, 0, true},
	{"ShmemHugePages", 0, 0, true},
	{"ShmemPmdMapped", 0, 0, true},
	{"FileHugePages", 0, 0, true},
	{"FilePmdMapped", 0, 0, true},
	{"Balloon", 0, 0, true},
	{"HugePages_Total", 0, 0, false},
	{"HugePages_Free", 0, 0, false},
	{"HugePages_Rsvd", 0, 0, false},
	{"HugePages_Surp", 0, 0, false},
	{"Hugepagesize", 2048, 0, true},
	{"Hugetlb", 0, 0, true},
	{"DirectMap4k", 1230720, 0, true},
	{"DirectMap2M", 48066432, 0, true},
	{"DirectMap1G", 18874368, 0, true},
	{"vmstat.oom_kill", 0, 0, false},
	{"vmstat.pswpin", 120044, 0, false},
	{"vmstat.pswpout", 262144, 0, false},
	{"pressure.some_us", 918273, 0, false},
	{"pressure.full_us", 412345, 0, false},
};

enum { LINES = sizeof(lines) / sizeof(*lines) };

int day_machine_init(struct day_machine *m)
{
	int rc = 0;

	m->meminfo.n = 0;
	for (size_t i = 0; i < LINES && !rc; i++)
		rc = mh_meminfo_add(&m->meminfo, lines[i].key, strlen(lines[i].key),
				    lines[i].is_kib, lines[i].value);
	return rc;
}

void day_machine_move(struct day_machine *m, struct day_draw *draw)
{
	for (size_t i = 0; i < LINES; i++) {
		uint64_t *value = &m->meminfo.line[i].value;
		uint64_t step;

		if (!lines[i].step)
			continue;
		/* values of meminfo are multiples of a page */
		step = (1 + day_chance(draw, lines[i].step / 4)) * 4;
		*value = day_chance(draw, 2) && *value > step ? *value - step : *value + step;
	}
}
