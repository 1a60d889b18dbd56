/*
 * Why something may be written to a place, or not: every decision of libmemhist/base/places.h that
 * the configuration and the words of a command line bring up, with what was found there.
 */
#ifndef MEMHIST_TOOLS_CONFIG_PATHS_H
#define MEMHIST_TOOLS_CONFIG_PATHS_H

#include "libmemhist/base/buf.h"
#include "libmemhist/config/config.h"

struct config_decision {
	const char *what; /* "history", "allowed", "path", "usual" */
	const char *path; /* as it was given */
	enum mh_place_use use;
	bool as_device;       /* a pipe or device: no place, written as it is */
	bool counts;          /* refused, it makes the answer of the whole "no" */
	const char *obstacle; /* allowed, but for this; NULL: nothing in the way that can be seen */
	struct mh_verdict verdict;
};

typedef void config_decision_fn(void *arg, const struct config_decision *d);

/*
 * Judge, in this order: the history, each of allowed_output_paths, `path` (n of them), and the
 * usual places: the current directory and /tmp. Each is handed to `take`, and is there during the
 * call.
 */
void config_paths_judge(const struct mh_config *config, const char *const *path, size_t n,
			config_decision_fn *take, void *arg);

/* One line for people: "refused by rule 2: /etc/x is …". */
void config_decision_words(struct mh_buf *out, const struct config_decision *d);

#endif
