/*
 * What all importers share: instants with processes in, a history out.
 *
 *     rc = intake_open(&in, job, &err);
 *     while (instants) {
 *             rc = intake_begin(&in, &at, boot_id, &err);      // ends the one before
 *             while (processes)
 *                     rc = intake_process(&in, &id, &names, value, place, &err);
 *     }
 *     rc = intake_finish(&in, &err);
 *     intake_done(&in);
 *
 * A page is 1 KiB, so that every value is exact, whatever the page size of the machine was. A
 * process that an instant does not show has ended. Where a recording does not say which boot it is
 * of, all is one boot, whose id is a UUID of version 8 made from the host's name and the first
 * instant: the same file gives the same history, and no kernel ever had it.
 */
#ifndef MEMHIST_TOOLS_INTAKE_H
#define MEMHIST_TOOLS_INTAKE_H

#include "libmemhist/model/table.h"
#include "tools/import.h"

enum { INTAKE_PAGE_BYTES = 1024 };

/* Embedded by its owner; what is not explained is its own. */
struct intake {
	struct import_job *job;
	struct mh_table *table;
	struct mh_writer *writer; /* from the first whole instant on */
	bool is_begun;            /* an instant is being read */
	struct mh_instant at;     /* which */
	mh_ms_t interval_ms;      /* 0 until the writer is open */
	uint64_t n_cut;           /* names longer than what is kept */

	/* said by the owner of each instant, after _begin */
	struct mh_gap gap;                /* before it; _begin sets the one it recognises */
	mh_fields_t fields;               /* measured in it */
	mh_fields_t lagging;              /* as in struct mh_snapshot */
	const struct mh_meminfo *meminfo; /* until the next _begin; NULL: not read */
};

int intake_open(struct intake *in, struct import_job *job, struct mh_err *err);
void intake_done(struct intake *in);

/*
 * The next instant. `boot_id` NULL: not known, as said above. Where more than 2.5 intervals have
 * passed since the one before, nobody was recording: a gap. Returns 0, or as mh_writer_append().
 */
int intake_begin(struct intake *in, const struct mh_instant *at, const struct mh_boot_id *boot_id,
		 struct mh_err *err);
/*
 * A process of the present instant. `place` says where it comes from, for messages. -EINVAL when
 * its pid came before in this instant.
 */
int intake_process(struct intake *in, const struct mh_identity *id, const struct mh_names *names,
		   const uint64_t value[MH_FIELD_COUNT], const char *place, struct mh_err *err);
/* One that began and ended since the instant before, with its marks. */
int intake_brief(struct intake *in, const struct mh_identity *id, const struct mh_names *names,
		 const uint64_t value[MH_FIELD_COUNT], const char *place, struct mh_err *err);
/* One that has ended since the instant before, with its last marks; 0: not known. */
void intake_ended(struct intake *in, const struct mh_identity *id,
		  const uint64_t value[MH_FIELD_COUNT]);

/* The last instant is whole. The statistics are the job's then. */
int intake_finish(struct intake *in, struct mh_err *err);

#endif
