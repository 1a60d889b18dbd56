/*
 * Recordings that are a directory of files, one per instant: what their importers share.
 *
 * A **shot** is what the files of one instant say, whole in memory and checked before anything of
 * it goes into the history: a file that cannot be understood is left out, said and counted, and
 * the others go on.
 *
 * Such recordings do not know when a process was started. Who a process is, is decided so:
 *   - A pid with another command than the one it had last is another process.
 *   - A pid with the command it had last is the same process, also when it was not listed in
 *     between: some recordings list the largest only.
 * Start times are 0, which stands for "not known"; processes of one pid are told apart by their
 * twin numbers.
 */
#ifndef MEMHIST_TOOLS_SHOTS_H
#define MEMHIST_TOOLS_SHOTS_H

#include "libmemhist/model/meminfo.h"
#include "tools/import.h"
#include "tools/input.h"

enum {
	SHOT_FILE_MAX = 16 << 20,
	SHOT_UID_UNKNOWN = 0xffffffffu, /* as (uid_t)-1: no user's */
};

struct shot_item {
	uint32_t pid, ppid, uid;
	uint64_t rss_kib, vsz_kib;
	/* places in `text` */
	size_t command, command_len;
	size_t program, program_len; /* program_len 0: as the command says */
};

/* Zero-initialise; emptied before each instant. */
struct shot {
	mh_ms_t wall_ms;
	mh_fields_t fields;
	struct shot_item *item;
	size_t n, cap;
	struct mh_buf text;
	char host[65]; /* "": not said */
	struct mh_meminfo meminfo;
	bool has_meminfo;
};

/*
 * Room for one more item, zero but for a uid that is not known. Returns 0, -ENOMEM, or -EINVAL and
 * a sentence: there are as many processes as any machine can have.
 */
int shot_add(struct shot *s, const char *path, struct shot_item **ret, struct mh_err *err);
/* The bytes into the text: their place. */
size_t shot_text(struct shot *s, const char *bytes, size_t len);

struct shot_format {
	/* Which of the kinds of files there are this is, by its name; -1: none. */
	int (*kind)(const char *name);
	/*
	 * Take in a file, or, with a shot of NULL, only find out its time. `path` leads to it,
	 * `name` is its last part. Returns 0; -EINVAL and a sentence: the file is left out; -EINTR;
	 * -ENOMEM.
	 */
	int (*load)(struct shot *s, const char *path, const char *name, bool utc, mh_ms_t *ret_ms,
		    struct mh_err *err);
	/* Files of different kinds that are not further apart are of one instant. */
	mh_ms_t together_ms;
	const char *what; /* "memory_*.json" */
	/* A file that is named by itself may be called anything. */
	bool any_name;
};

extern const struct shot_format shots_json, shots_inspector;

/* Import job->source, a directory of such files or one of them. */
int import_shots(struct import_job *job, const struct shot_format *format, struct mh_err *err);

/*
 * The whole file as a buffer, at most SHOT_FILE_MAX. -EINVAL and a sentence where it is larger or
 * cannot be read.
 */
int shot_read(struct mh_buf *ret, const char *path, struct mh_err *err);

#endif
