/*
 * Where snapshots come from. One of two, decided at the start:
 *
 * - the exporter's own sampler, which keeps a history as well when a directory is given;
 * - the history in that directory, when another process (memhist's collectd plugin, another
 *   exporter) writes it already. It is *followed*: what that process records is shown, and /proc is
 *   not scanned a second time. The choice stays for life: if the exporter took over the lock of a
 *   writer that is being restarted, that one would find its own history taken.
 */
#ifndef MEMHIST_EXPORTER_SOURCE_H
#define MEMHIST_EXPORTER_SOURCE_H

#include "libmemhist/history/reader.h"
#include "libmemhist/sampler.h"

struct source;

struct source_config {
	const char *procfs;                    /* not read when following */
	enum mh_scan_backend backend;          /* likewise */
	uint32_t max_open_files;               /* likewise; as in struct mh_scan_config … */
	uint32_t exact_cpus;                   /* … and this too */
	struct mh_pss_choice pss;              /* likewise */
	const char *history_dir;               /* NULL = keep none */
	const struct mh_upkeep_config *upkeep; /* of it */
	const struct mh_places *places;        /* where that may be; lives as long as the source */
	uint32_t interval_ms;
};

/* A snapshot with what its numbers mean. Valid during the call that hands it over. */
struct source_item {
	const struct mh_snapshot *snapshot;
	uint32_t page_bytes;
	uint32_t clk_tck;
	const struct mh_pss_value *pss; /* n_pss of them, see mh_sampler_pss() */
	size_t n_pss;
};

typedef void source_take_fn(void *arg, const struct source_item *item);

/* Returns 0, or -errno and a sentence when neither way is open. */
int source_new(struct source **ret, const struct source_config *config, struct mh_err *err);
/* Writes the history out. NULL is allowed. */
void source_free(struct source *s);

/* A sentence to say at the start when following, else NULL. Lives as long as the source. */
const char *source_following(const struct source *s);

/* Whether it keeps one. */
bool source_has_history(const struct source *s);

/* What the upkeep of the history said at the start. False when there is none. */
bool source_upkeep(const struct source *s, struct mh_upkeep_status *ret);

/*
 * How processes are read, and why in no better way ("" or a sentence); NULL when following. Both
 * live as long as the source.
 */
const char *source_backend(const struct source *s, const char **ret_reason);

/*
 * Why the kernel does not report exits where it could be asked to, through BPF: a sentence to say
 * at the start, else NULL. Lives as long as the source.
 */
const char *source_exits_refused(const struct source *s);

/*
 * Hand what is new to `take`, in order: own samples one at each call, a followed history none or
 * several. Returns 0, or -errno and a sentence while there is no current snapshot: /proc cannot be
 * read, nothing was recorded yet, or nothing for more than three intervals.
 */
int source_poll(struct source *s, struct mh_instant now, source_take_fn *take, void *arg,
		struct mh_err *err);

struct source_status {
	bool following;
	uint32_t interval_ms;    /* from snapshot to snapshot; a followed history's own */
	uint64_t stale_after_ms; /* without news for so long, what is shown is not current */
	union {
		struct mh_sampler_status sampler; /* not following */
		struct mh_reader_stats reader;    /* following */
	};
};

void source_status(const struct source *s, struct source_status *ret);

#endif
