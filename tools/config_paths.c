/* Decisions, taken by the functions that also open what is written. */
#include "tools/config_paths.h"

#include "libmemhist/base/users.h"
#include "tools/settings.h"
#include "tools/tool.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct judge {
	const struct mh_config *config;
	config_decision_fn *take;
	void *arg;
};

/* What keeps us from writing where it is allowed, as the kernel sees it. */
static const char *obstacle(const struct mh_resolved *at, enum mh_place_use use)
{
	static const char denied[] = "you may not write there";
	char dir[PATH_MAX];
	size_t len = strlen(at->path);

	if (at->exists && faccessat(AT_FDCWD, at->path, W_OK, AT_EACCESS))
		return denied;
	if (at->exists && use == MH_PLACE_HISTORY)
		return NULL;
	memcpy(dir, at->path, len + 1);
	len = (size_t)(strrchr(dir, '/') - dir);
	dir[len ? len : 1] = '\0';
	if (!faccessat(AT_FDCWD, dir, W_OK | X_OK, AT_EACCESS))
		return NULL;
	return errno == ENOENT ? "there is no directory to put it in" : denied;
}

static void judge(const struct judge *j, const char *what, const char *path, enum mh_place_use use,
		  bool counts)
{
	struct config_decision d = {.what = what, .path = path, .use = use, .counts = counts};

	if (!mh_places_judge(&j->config->places, path, use, &d.verdict))
		d.obstacle = obstacle(&d.verdict.at, use);
	j->take(j->arg, &d);
}

/* As tools write to it: a directory stands for the files that would be put there. */
static void judge_any(const struct judge *j, const char *what, const char *path, bool counts)
{
	struct stat st;
	char *file;

	if (!stat(path, &st) && (S_ISFIFO(st.st_mode) || S_ISCHR(st.st_mode))) {
		const struct config_decision d = {.what = what, .path = path, .as_device = true};

		j->take(j->arg, &d);
		return;
	}
	if (stat(path, &st) || !S_ISDIR(st.st_mode)) {
		judge(j, what, path, MH_PLACE_FILE, counts);
		return;
	}
	if (asprintf(&file, "%s/FILE", path) < 0)
		return;
	judge(j, what, file, MH_PLACE_FILE, counts);
	free(file);
}

void config_paths_judge(const struct mh_config *config, const char *const *path, size_t n,
			config_decision_fn *take, void *arg)
{
	const struct judge j = {config, take, arg};
	const char *history = config->text[MH_CONFIG_HISTORY_DIR];

	judge(&j, "history", history ? history : DEFAULT_HISTORY, MH_PLACE_HISTORY, true);
	for (size_t i = 0; i < config->places.n; i++)
		judge(&j, "allowed", config->places.dir[i], MH_PLACE_HISTORY, false);
	for (size_t i = 0; i < n; i++)
		judge_any(&j, "path", path[i], true);
	judge_any(&j, "usual", ".", false);
	judge_any(&j, "usual", "/tmp", false);
}

void config_decision_words(struct mh_buf *out, const struct config_decision *d)
{
	const struct mh_resolved *at = &d->verdict.at;
	char owner[MH_USER_WORDS_MAX];

	if (d->as_device) {
		mh_buf_adds(out, "allowed: a pipe or device is no place, and written as it is");
		return;
	}
	if (d->verdict.rule > 0) {
		mh_buf_printf(out, "refused by rule %d: %s", d->verdict.rule, d->verdict.why.text);
		return;
	}
	if (d->verdict.rc) {
		mh_buf_printf(out, "cannot be: %s", d->verdict.why.text);
		return;
	}
	if (d->verdict.list)
		mh_buf_printf(out, "allowed: within %s of allowed_output_paths", d->verdict.list);
	else
		mh_buf_adds(out, "allowed: no directory of the system, and allowed_output_paths is "
				 "not set");
	if (at->exists) {
		mh_user_words(at->st.st_uid, owner);
		mh_buf_printf(out, "; there is one of %s, mode %04o", owner,
			      (unsigned)at->st.st_mode & 07777);
	} else {
		mh_buf_adds(out, "; nothing is there yet");
	}
	if (d->obstacle)
		mh_buf_printf(out, ", but %s", d->obstacle);
}
