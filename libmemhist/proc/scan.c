/* Choosing a backend: the best one that can be had, or the one that is asked for. */
#include "libmemhist/proc/scan_backend.h"

#include "libmemhist/base/suggest.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const names[] = {
	[MH_SCAN_AUTO] = "auto",
	[MH_SCAN_BPF] = "bpf",
	[MH_SCAN_BPF_SEQ] = "bpf-seq",
	[MH_SCAN_PROCFS] = "procfs",
	NULL,
};

int mh_scan_backend_parse(const char *text, enum mh_scan_backend *ret, struct mh_err *err)
{
	const char *nearest;

	for (int i = 0; names[i]; i++)
		if (!strcmp(text, names[i])) {
			*ret = (enum mh_scan_backend)i;
			return 0;
		}
	nearest = mh_suggest(text, names);
	if (nearest)
		return mh_errf(err, -EINVAL, "'%s' is no backend: did you mean %s?", text, nearest);
	return mh_errf(err, -EINVAL, "'%s' is none of auto, bpf, bpf-seq, procfs", text);
}

const char *mh_scan_backend_name(enum mh_scan_backend backend)
{
	return names[backend];
}

static int new_of(struct mh_scan **ret, const struct mh_scan_config *config,
		  enum mh_scan_backend backend, struct mh_err *err)
{
	int rc;

	if (backend != MH_SCAN_PROCFS)
		return mh_scan_bpf_new(ret, config, backend, err);
	rc = mh_scan_procfs_new(ret, config);
	if (rc)
		return mh_err_sys(err, rc, "scanner of %s", config->root->path);
	mh_errf(&(*ret)->exits_reason, 0, "procfs does not tell of processes that have ended");
	return 0;
}

/* Those of the backends before `end`; one that is that of the backend before is not said again. */
static void join_reasons(char ret[MH_SCAN_REASONS_BYTES], const struct mh_err *reasons,
			 enum mh_scan_backend end)
{
	size_t len = 0;

	ret[0] = '\0';
	for (enum mh_scan_backend i = MH_SCAN_BPF; i < end; i++)
		if (i == MH_SCAN_BPF || strcmp(reasons[i].text, reasons[i - 1].text) != 0)
			len += (size_t)snprintf(ret + len, MH_SCAN_REASONS_BYTES - len, "%s%s",
						len ? "; " : "", reasons[i].text);
}

int mh_scan_new(struct mh_scan **ret, const struct mh_scan_config *config, struct mh_err *err)
{
	struct mh_err reasons[MH_SCAN_PROCFS] = {0};
	enum mh_scan_backend backend;
	int rc;

	if (config->backend != MH_SCAN_AUTO)
		return new_of(ret, config, config->backend, err);
	/* from the best to the one that is always there */
	for (backend = MH_SCAN_BPF; backend < MH_SCAN_PROCFS; backend++) {
		rc = new_of(ret, config, backend, &reasons[backend]);
		if (!rc)
			goto found;
	}
	rc = new_of(ret, config, MH_SCAN_PROCFS, err);
	if (rc)
		return rc;
found:
	join_reasons((*ret)->reasons, reasons, backend);
	return 0;
}

void mh_scan_free(struct mh_scan *scan)
{
	if (scan)
		scan->ops->free(scan);
}

void mh_scan_backend(const struct mh_scan *scan, const char **ret_name, const char **ret_reason)
{
	*ret_name = scan->ops->name;
	*ret_reason = scan->reasons;
}

mh_fields_t mh_scan_fields(const struct mh_scan *scan)
{
	return scan->fields;
}

mh_fields_t mh_scan_lagging(const struct mh_scan *scan)
{
	return scan->lagging;
}

const char *mh_scan_exits_reason(const struct mh_scan *scan)
{
	return scan->exits_reason.text;
}

int mh_scan_pass(struct mh_scan *scan, struct mh_table *table, bool *ret_partial,
		 struct mh_err *err)
{
	return scan->ops->pass(scan, table, ret_partial, err);
}

void mh_scan_stats(const struct mh_scan *scan, struct mh_scan_stats *ret)
{
	scan->ops->stats(scan, ret);
}

bool mh_scan_count(struct mh_scan_stats *stats, int rc)
{
	switch (rc) {
	case -ENOENT:
	case -ESRCH:
		stats->vanished++;
		return false;
	case -EACCES:
	case -EPERM:
		stats->denied++;
		break;
	case -EBADMSG:
		stats->malformed++;
		break;
	case -ETIMEDOUT:
	case -EBUSY:
		stats->stuck++;
		break;
	case -EOVERFLOW:
		stats->dropped++;
		break;
	default:
		stats->failed++;
	}
	return true;
}

#ifndef HAVE_BPF
int mh_scan_bpf_new(struct mh_scan **ret, const struct mh_scan_config *config,
		    enum mh_scan_backend backend, struct mh_err *err)
{
	(void)ret;
	(void)config;
	(void)backend;
	return mh_errf(err, -ENOTSUP, "this memhist was built without BPF");
}
#endif
