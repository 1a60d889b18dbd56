/*
 * What a command line says, of a process as the table keeps it: its first argument, and all of them
 * as one text. As process-exporter reads them, so that the same rules mean the same.
 */
#ifndef MEMHIST_MODEL_ARGV_H
#define MEMHIST_MODEL_ARGV_H

#include "libmemhist/base/buf.h"
#include "libmemhist/model/process.h"

/* argv[0], which may be empty. False: there is no command line. */
bool mh_argv_first(const struct mh_process *p, const char **ret, size_t *ret_len);

/* What is behind the last slash of a path, slashes at its end apart; "." of nothing, "/" of nothing
 * but slashes (as Go's filepath.Base). Returns the length. */
size_t mh_path_base(const char *path, size_t len, const char **ret);

/* Append the arguments with a blank between any two, as UTF-8: other bytes become U+FFFD. */
void mh_argv_join(struct mh_buf *out, const struct mh_process *p);

#endif
