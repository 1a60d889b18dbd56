/*
 * What the procfs scanner reads again of a process it knows, and when. Pure: from what is
 * remembered and what was just read to yes or no. Of a new process everything is read; statm of
 * everybody in each pass; the others when they can have changed:
 *
 *   status     when statm does not say the RSS and VSZ that status said last; and every
 *              MH_STATUS_EVERY passes
 *   stat       when VSZ is not what it was when stat was read last (an exec practically always
 *              changes it); in the first passes of a process' life (fork, then exec); when status
 *              has another name, ppid or uid; and every MH_NAMES_EVERY passes
 *   cmdline    once more in the pass after the first, when comm or the start of the stack changed
 *              (exec), and every MH_NAMES_EVERY passes (setproctitle)
 */
#ifndef MEMHIST_PROC_REVISIT_H
#define MEMHIST_PROC_REVISIT_H

#include "libmemhist/model/names.h"
#include "libmemhist/proc/cmdlines.h"
#include "libmemhist/proc/parse.h"
#include "libmemhist/proc/pidstatus.h"

enum {
	MH_EARLY_PASSES = 3,
	MH_STATUS_EVERY = 32,
	MH_NAMES_EVERY = 512, /* a multiple of MH_STATUS_EVERY */
};

/* What the scanner remembers of the process in a slot of the table. */
struct mh_known {
	uint32_t pid;  /* 0: of nobody */
	int fd;        /* statm, or -1 */
	uint32_t pass; /* last pass that met it */
	uint8_t early; /* passes of its early life still to come */
	bool young;    /* last read within the clock tick in which it started */
	enum mh_cmdline_due cmdline;
	uint64_t folder_inode;
	uint64_t statm_inode;
	uint64_t stat_vsz_pages; /* VSZ when stat was read last */
	uint64_t start_stack;
	struct mh_memory memory; /* whose it is */
};

/* Whether this pass is the turn of a pid for what is done every `every` passes. */
static inline bool mh_revisit_is_turn(uint32_t pass, uint32_t pid, uint32_t every)
{
	return (pid + pass) % every == 0;
}

bool mh_revisit_stat(const struct mh_known *known, uint32_t pass, const struct mh_statm *statm);
bool mh_revisit_status(const struct mh_process *p, uint32_t pass, const struct mh_statm *statm);
/* Whether the command line may be another. `names` are what stat and status say now. */
bool mh_revisit_cmdline(const struct mh_process *p, const struct mh_known *known, uint32_t pass,
			const struct mh_stat *stat, const struct mh_names *names);

#endif
