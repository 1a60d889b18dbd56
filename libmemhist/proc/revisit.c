#include "libmemhist/proc/revisit.h"

#include <string.h>

bool mh_revisit_stat(const struct mh_known *known, uint32_t pass, const struct mh_statm *statm)
{
	return known->early || known->stat_vsz_pages != statm->vsz_pages ||
	       mh_revisit_is_turn(pass, known->pid, MH_NAMES_EVERY);
}

bool mh_revisit_status(const struct mh_process *p, uint32_t pass, const struct mh_statm *statm)
{
	return p->value[MH_FIELD_RSS] != statm->rss_pages ||
	       p->value[MH_FIELD_VSZ] != statm->vsz_pages ||
	       mh_revisit_is_turn(pass, p->id.pid, MH_STATUS_EVERY);
}

bool mh_revisit_cmdline(const struct mh_process *p, const struct mh_known *known, uint32_t pass,
			const struct mh_stat *stat, const struct mh_names *names)
{
	return known->early == MH_EARLY_PASSES || known->start_stack != stat->start_stack ||
	       p->comm_len != names->comm_len || memcmp(p->comm, names->comm, p->comm_len) != 0 ||
	       mh_revisit_is_turn(pass, known->pid, MH_NAMES_EVERY);
}
