/*
 * Proportional and unique memory of a few processes: what each page counts when it is divided among
 * those who map it (PSS), and the pages that nobody else maps (USS). The kernel walks the page
 * tables of a process to say it, 14 µs for a small one and milliseconds for a large one, and takes
 * the lock on its address space (offload.h). So it is asked of a chosen few, for a bounded time in
 * each tick, in turns: who was not asked for longest comes first. A value is as old as it says.
 *
 * Reading another user's takes CAP_SYS_PTRACE: without it, those processes have no values.
 *
 * One owner thread. Updates allocate nothing but for more slots of the table.
 */
#ifndef MEMHIST_PROC_PSS_H
#define MEMHIST_PROC_PSS_H

#include "libmemhist/base/err.h"
#include "libmemhist/model/snapshot.h"
#include "libmemhist/proc/offload.h"

enum {
	MH_PSS_MAX = 100,          /* processes chosen at one time */
	MH_PSS_PATTERN_MAX = 1024, /* bytes of a regular expression */
};

/* Who is chosen: the largest by RSS, of all or of those whose program name matches. */
struct mh_pss_choice {
	uint32_t top;                         /* so many; 0: nobody */
	char pattern[MH_PSS_PATTERN_MAX + 3]; /* as match.h reads it; "": all names */
};

/*
 * "off", "top:N" (N from 1 to 100) or "match:RE", a regular expression (the 100 largest whose
 * program name it matches). Returns 0, or -EINVAL and a sentence.
 */
int mh_pss_parse(const char *text, struct mh_pss_choice *ret, struct mh_err *err);

struct mh_pss;

/*
 * `root` and `offload` outlive it. A tick takes about `budget_ms`, and at most MH_OFFLOAD_FILE_MS
 * more for a process that hangs then. Returns 0, or -errno and a sentence.
 */
int mh_pss_new(struct mh_pss **ret, const struct mh_pss_choice *choice, const struct mh_root *root,
	       struct mh_offload *offload, uint32_t budget_ms, struct mh_err *err);
/* NULL is allowed. */
void mh_pss_free(struct mh_pss *p);

/* Choose among the processes of the next snapshot (every one, in order), and ask some. */
void mh_pss_update(struct mh_pss *p, const struct mh_snapshot *s);

struct mh_pss_value {
	struct mh_identity id;
	uint32_t slot; /* in the snapshot of the last update */
	bool has;      /* there is a value: it was read, at read_ns */
	mh_boot_ns_t read_ns;
	uint64_t pss_bytes, uss_bytes;
	bool has_swap;
	uint64_t swap_pss_bytes; /* PSS of what is swapped out; not part of pss_bytes */
};

/* Those chosen in the last update, the largest first. Valid until the next. Returns how many. */
size_t mh_pss_list(const struct mh_pss *p, const struct mh_pss_value **ret);

/* What has been met so far. Processes that had ended are not counted. */
struct mh_pss_stats {
	uint64_t reads;     /* values taken */
	uint64_t denied;    /* of another user, without CAP_SYS_PTRACE */
	uint64_t stuck;     /* did not answer in time; asked again after a minute */
	uint64_t malformed; /* not understood */
	uint64_t failed;    /* other errors */
};

void mh_pss_stats(const struct mh_pss *p, struct mh_pss_stats *ret);

#endif
