/*
 * The configuration file for the tools: read once, before a command begins, and asked by whoever
 * writes something, so that no output can forget what is allowed.
 */
#ifndef MEMHIST_TOOLS_SETTINGS_H
#define MEMHIST_TOOLS_SETTINGS_H

#include "libmemhist/config/config.h"

/*
 * Read the file that is meant: `file`, or NULL for the one of the environment or of the system (see
 * mh_config_load()). Returns 0, or -errno and a sentence. Until then nothing is set.
 */
int settings_load(const char *file, struct mh_err *err);

const struct mh_config *settings(void);
/* Whether the file was named on the command line. */
bool settings_named(void);
/* Where may be written. */
const struct mh_places *settings_places(void);
/* Whether that directory is the history of the configuration, or the usual one where it has none.
 */
bool settings_is_own_history(const char *dir);
/* The history that is meant: the `given` one, or NULL for the configured or the usual one. */
const char *settings_history(const char *given);

/*
 * Whether `name`, which is to be made in `dir_fd`, is in the directory of the history that is read
 * (NULL: none is): -EDOM and a sentence, since it could be what the output is made from. Else 0.
 */
int settings_spare(const char *name, int dir_fd, const char *history, struct mh_err *err);

#endif
