/* The words of snapshots. */
#include "libmemhist/model/snapshot.h"

const char *mh_gap_name(enum mh_gap_kind kind)
{
	switch (kind) {
	case MH_GAP_NONE:
		return "none";
	case MH_GAP_STOPPED:
		return "stopped";
	case MH_GAP_SUSPENDED:
		return "suspended";
	case MH_GAP_LATE:
		return "late";
	case MH_GAP_WRITE_ERROR:
		return "write error";
	case MH_GAP_CLOCK_STEP:
		return "clock step";
	case MH_GAP_REBOOT:
		return "reboot";
	case MH_GAP_DAMAGE:
		return "damage";
	case MH_GAP_MISSING:
		return "missing";
	}
	return "unknown";
}
