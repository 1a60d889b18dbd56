/* The pass over the history that all formats share. */
#include "tools/export.h"

#include "tools/tool.h"

#include <errno.h>
#include <string.h>

mh_fields_t export_known_marks(const struct export_step *step, const struct mh_process *p)
{
	mh_fields_t known = 0;

	for (int field = 0; field < MH_FIELD_COUNT; field++) {
		int mark = mh_fields[field].mark;

		if (mark != MH_FIELD_NONE && mh_fields_have(step->s->fields, mark) &&
		    p->value[mark])
			known |= (mh_fields_t)1 << mark;
	}
	return known;
}

/* How many chosen processes a snapshot has. */
static void count(struct export_job *job, const struct mh_snapshot *s)
{
	job->snapshots++;
	job->gaps += s->gap.kind != MH_GAP_NONE;
	mh_snapshot_for_each (s, slot)
		job->samples += job->chosen.is_slot[slot];
	for (uint32_t i = 0; i < s->n_brief; i++)
		job->brief += job->chosen.is_brief[i];
}

static int read_all(const struct export_format *format, void *self, struct mh_reader *reader,
		    struct export_job *job, struct mh_err *err)
{
	const struct mh_snapshot *s;
	struct mh_boot_id boot_id = {{0}};
	int rc;

	while ((rc = mh_reader_next(reader, &s, err)) > 0) {
		struct export_step step = {
			.job = job,
			.s = s,
			.segment = mh_reader_segment(reader),
			.fields = s->fields & job->fields,
			.is_new_boot = memcmp(&boot_id, &s->boot_id, sizeof(boot_id)) != 0,
		};

		boot_id = s->boot_id;
		if (chosen_update(&job->chosen, s))
			return mh_err_sys(err, -ENOMEM, "cannot export %s", job->history);
		count(job, s);
		rc = tool_interrupted() ? -EINTR : format->snapshot(self, &step, err);
		if (rc)
			return rc;
		progress_show(&job->progress, job->snapshots, 0);
	}
	return rc;
}

/* Whether anything was found of what was asked for. */
static int check_found(const struct export_job *job, struct mh_err *err)
{
	const struct chosen *chosen = &job->chosen;

	if (job->samples || job->brief || !(chosen->match || chosen->n_pids))
		return 0;
	return mh_errf(err, -ENODATA, "no process in %s %s", job->history,
		       !chosen->n_pids  ? "matches --match"
		       : !chosen->match ? "had a pid of --pid"
					: "had a pid of --pid and matches --match");
}

int export_run(const struct export_format *format, struct export_job *job, struct mh_err *err)
{
	struct mh_reader_options reading = {
		.since_ms = job->range.since_ms,
		.until_ms = job->range.until_ms,
	};
	struct mh_reader *reader = NULL;
	void *self = NULL;
	int rc = mh_reader_open(&reader, job->history, &reading, err);

	if (!rc)
		rc = format->open(&self, job, err);
	if (!rc)
		rc = read_all(format, self, reader, job, err);
	if (reader)
		mh_reader_stats(reader, &job->stats);
	if (!rc && !job->snapshots)
		rc = range_no_data(job->history, &job->range, job->utc, &job->stats, err);
	if (!rc)
		rc = check_found(job, err);
	if (!rc)
		rc = format->commit(self, err);
	format->close(self);
	mh_reader_close(reader);
	return rc;
}
