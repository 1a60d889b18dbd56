/* The one configuration of a command, which lives until the program ends. */
#include "tools/settings.h"

#include "tools/tool.h"

#include <errno.h>
#include <sys/stat.h>

static struct mh_config config;
static bool is_named;

int settings_load(const char *file, struct mh_err *err)
{
	struct mh_config read;
	int rc = mh_config_load(&read, file, MH_CONFIG_TOOL, err);

	if (rc)
		return rc;
	mh_config_done(&config);
	config = read;
	is_named = file != NULL;
	return 0;
}

const struct mh_config *settings(void)
{
	return &config;
}

bool settings_named(void)
{
	return is_named;
}

bool settings_is_own_history(const char *dir)
{
	struct stat a, b;

	return !stat(dir, &a) && !stat(settings_history(NULL), &b) && a.st_dev == b.st_dev &&
	       a.st_ino == b.st_ino;
}

const struct mh_places *settings_places(void)
{
	return &config.places;
}

const char *settings_history(const char *given)
{
	const char *configured = config.text[MH_CONFIG_HISTORY_DIR];

	return given ? given : configured ? configured : DEFAULT_HISTORY;
}

/* What cannot be looked at fails by itself later. */
int settings_spare(const char *name, int dir_fd, const char *history, struct mh_err *err)
{
	struct stat target, spare;

	if (!history || fstat(dir_fd, &target) || stat(history, &spare) ||
	    target.st_dev != spare.st_dev || target.st_ino != spare.st_ino)
		return 0;
	return mh_errf(err, -EDOM, "%s is inside the history %s: choose another place", name,
		       history);
}
