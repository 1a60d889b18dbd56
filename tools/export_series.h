/*
 * The series of an export to OpenMetrics: which process, boot and machine each number stands for,
 * and how they are written as labels.
 */
#ifndef MEMHIST_TOOLS_EXPORT_SERIES_H
#define MEMHIST_TOOLS_EXPORT_SERIES_H

#include "libmemhist/base/index.h"
#include "libmemhist/base/strset.h"
#include "tools/chosen.h"

/* Series of gaps are numbered host * this + kind. */
enum { SERIES_GAP_KINDS = 16 };

/* Processes of an export, of some 50 bytes each: a GiB. */
enum { SERIES_PROCESSES_MAX = 1 << 24 };

struct series {
	struct mh_identity id;
	uint32_t boot; /* number of the boot */
	uint32_t host; /* string of `hosts` */
	uint32_t comm; /* string of `comms`, the latest */
};

/* Embedded by its owner; zero-initialise. */
struct series_set {
	struct series *series;
	uint32_t n, cap;
	struct mh_index index;  /* of series by identity and boot */
	struct mh_strset boots; /* ids, 16 bytes each */
	struct mh_strset hosts;
	struct mh_strset comms;
	struct mh_strset meminfo; /* names of metrics */
	uint32_t boot, host;      /* of the present snapshot */
	uint32_t *slot;           /* series of each slot that is chosen */
	uint32_t slots_cap;
};

void series_done(struct series_set *set);

/* Whose processes come next. Returns 0 or -ENOMEM. */
int series_set_boot(struct series_set *set, const struct mh_boot_id *boot_id, const char *host);
/* Find or make the series of a process; its comm is the latest from now on. Returns 0, -ENOMEM, or
 * -EOVERFLOW past SERIES_PROCESSES_MAX. */
int series_of_process(struct series_set *set, const struct mh_process *p, uint32_t *ret);
/* Bring set->slot up to date with those born, renamed and newly chosen. Returns as that. */
int series_update(struct series_set *set, const struct mh_snapshot *s, const struct chosen *chosen);

/* {host="web1",boot="1a83ff4f",pid="23",start="168130",comm="python3"} */
void series_write_process(const struct series_set *set, uint32_t series, struct mh_buf *out);
/* {host="web1",kind="stopped"} */
void series_write_gap(const struct series_set *set, uint32_t series, struct mh_buf *out);
/* {host="web1"}, or nothing where the history does not name it */
void series_write_host(const struct series_set *set, uint32_t host, struct mh_buf *out);

#endif
