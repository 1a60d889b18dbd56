/*
 * Labels: what people read instead of identities. The first process seen with pid 1234 is "1234",
 * later ones with the same pid are "1234(2)", "1234(3)", in order of appearance.
 *
 * A **series** is what one label stands for:
 *   by identity  one process of one boot. One that vanishes and is seen again has its old series.
 *   by command   the older rule: a pid with one command line, so that a restart under the same pid
 *                stays one series and an exec begins another.
 *
 * A process that loses its command line keeps the one it had: a zombie is still what died.
 *
 * An update costs by births and renames, not by processes alive. A series takes some 60 bytes, and
 * its command, which is shared by all series that have the same. They are kept, unless whoever
 * needs them no more has them forgotten.
 */
#ifndef MEMHIST_VIEW_LABEL_H
#define MEMHIST_VIEW_LABEL_H

#include "libmemhist/base/buf.h"
#include "libmemhist/model/snapshot.h"

enum mh_label_rule { MH_LABEL_BY_IDENTITY, MH_LABEL_BY_COMMAND };

struct mh_labels;

struct mh_series {
	uint32_t pid;
	uint32_t nth; /* 1 = first with this pid */
	uint32_t command_len;
	const char *command; /* latest command line: raw bytes with NUL between arguments, or
			      * "[comm]" where there never was one */
	uint32_t comm_len;
	const char *comm; /* latest */
};

/* Returns 0 or -ENOMEM. */
int mh_labels_new(struct mh_labels **ret, enum mh_label_rule rule);
void mh_labels_free(struct mh_labels *l);

/*
 * Take in the next snapshot (every one, in order, before asking for its slots). Returns 0,
 * -ENOMEM, or -EOVERFLOW past 2^30 series; after an error only _free makes sense.
 */
int mh_labels_update(struct mh_labels *l, const struct mh_snapshot *s);

/* The series (0 … count - 1) of the process in `slot`, or of the last one that was there; of one of
 * the last update's brief lives by MH_BRIEF_SLOT(). */
uint32_t mh_labels_of_slot(const struct mh_labels *l, uint32_t slot);

/*
 * For who has no snapshots, by identity: processes of one boot, in order of appearance. Texts are
 * references of the caller's, got once and given back when all processes that have them are told.
 */
struct mh_label_names {
	const struct mh_pooled *comm;
	const struct mh_pooled *command; /* the command line, or else mh_labels_bracketed() */
	bool has_cmdline;
};

/* The processes that follow are of this boot. Returns 0 or -ENOMEM. */
int mh_labels_begin(struct mh_labels *l, const struct mh_boot_id *boot_id);
/* The series of a process: 1: it is new, and has these names; 0: it had been met; or as _update, or
 * -EAGAIN where series are forgotten. */
int mh_labels_find(struct mh_labels *l, const struct mh_identity *id,
		   const struct mh_label_names *names, uint32_t *ret);
/* A series has these names from now on. */
void mh_labels_name(struct mh_labels *l, uint32_t series, const struct mh_label_names *names);
/* A text, and "[comm]". NULL: no memory. */
const struct mh_pooled *mh_labels_text(struct mh_labels *l, const char *bytes, size_t len);
const struct mh_pooled *mh_labels_bracketed(struct mh_labels *l, const char *comm, size_t len);
void mh_labels_put(struct mh_labels *l, const struct mh_pooled *text);

/*
 * Forgetting, by identity: for who goes through a long history and needs series only while their
 * processes live. Of a pid stays how many had it, and which was the last; that one gets its label
 * again when it is seen again. Older ones could not be told from new ones: where one is seen, which
 * takes a history whose pids go back in time, mh_labels_find() returns -EAGAIN, and one has to
 * begin again without forgetting.
 */
struct mh_forgotten {
	uint32_t pid, nth;
	uint32_t series; /* its number until now */
	const struct mh_pooled
		*command; /* as that of struct mh_series; a reference, the caller's */
	bool has_cmdline; /* it is a command line, not "[comm]" */
};

/* Before anything else: series will be forgotten. */
void mh_labels_forgetful(struct mh_labels *l);
/* The number may be that of another series from now on. */
void mh_labels_forget(struct mh_labels *l, uint32_t series, struct mh_forgotten *ret);

/* How many series there were, forgotten ones too. */
uint32_t mh_labels_count(const struct mh_labels *l);
/* Pointers are valid until the next update. */
void mh_labels_series(const struct mh_labels *l, uint32_t series, struct mh_series *ret);

/* Of that only: pid and nth; comm, whose pointer is valid as long. */
struct mh_label {
	uint32_t pid, nth;
};
struct mh_label mh_labels_label(const struct mh_labels *l, uint32_t series);
const struct mh_pooled *mh_labels_comm(const struct mh_labels *l, uint32_t series);

/* "1234" or "1234(2)". */
void mh_label_write(struct mh_buf *out, const struct mh_series *series);
/* The command as people type it: NUL bytes become blanks. Not escaped. */
void mh_label_command(struct mh_buf *out, const struct mh_series *series);

#endif
