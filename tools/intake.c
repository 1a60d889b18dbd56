/* Instants to a history, through the process table, which finds out what changed. */
#include "tools/intake.h"

#include "libmemhist/base/strset.h"
#include "tools/human.h"
#include "tools/tool.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>

enum { DEFAULT_INTERVAL_MS = 1000, INTERVAL_MAX_MS = 86400 * 1000 };

int intake_open(struct intake *in, struct import_job *job, struct mh_err *err)
{
	*in = (struct intake){.job = job};
	if (mh_table_new(&in->table, 0))
		return mh_err_sys(err, -ENOMEM, "cannot import %s", job->source);
	return 0;
}

void intake_done(struct intake *in)
{
	mh_writer_close(in->writer);
	mh_table_free(in->table);
	*in = (struct intake){0};
}

static void make_boot_id(const struct intake *in, struct mh_boot_id *ret)
{
	for (size_t i = 0; i < MH_BOOT_ID_BYTES; i += 4) {
		char seed[128];
		int len = snprintf(seed, sizeof(seed), "%zu %lld %s", i, (long long)in->at.wall_ms,
				   in->job->host);
		uint32_t hash = mh_hash_bytes(seed, strnlen(seed, (size_t)len));

		memcpy(ret->bytes + i, &hash, sizeof(hash));
	}
	ret->bytes[6] = (ret->bytes[6] & 0x0f) | 0x80; /* version 8: defined by its maker */
	ret->bytes[8] = (ret->bytes[8] & 0x3f) | 0x80; /* variant of RFC 9562 */
}

/* --- instants ---------------------------------------------------------------------------- */

/* `next_ms`: the instant after this one, or this one when it is the last. */
static int open_writer(struct intake *in, mh_ms_t next_ms, struct mh_err *err)
{
	struct mh_writer_config config = {
		.dir = in->job->dir,
		.page_bytes = INTAKE_PAGE_BYTES,
		.clk_tck = in->job->clk_tck,
		.host = in->job->host,
	};

	in->interval_ms = in->job->interval_ms ? in->job->interval_ms : next_ms - in->at.wall_ms;
	if (in->interval_ms <= 0)
		in->interval_ms = DEFAULT_INTERVAL_MS;
	if (in->interval_ms > INTERVAL_MAX_MS)
		in->interval_ms = INTERVAL_MAX_MS;
	config.interval_ms = (uint32_t)in->interval_ms;
	return mh_writer_open(&in->writer, &config, err);
}

static int end_instant(struct intake *in, mh_ms_t next_ms, struct mh_err *err)
{
	struct mh_round round = {.fields = in->fields,
				 .lagging = in->lagging,
				 .gap = in->gap,
				 .meminfo = in->meminfo};
	int rc = 0;

	mh_table_drop_unkept(in->table);
	if (!in->writer)
		rc = open_writer(in, next_ms, err);
	return rc ? rc : mh_writer_append(in->writer, mh_table_end(in->table, &round), err);
}

int intake_begin(struct intake *in, const struct mh_instant *at, const struct mh_boot_id *boot_id,
		 struct mh_err *err)
{
	bool is_first = !in->is_begun;
	struct mh_boot_id made;
	int rc = is_first ? 0 : end_instant(in, at->wall_ms, err);

	if (rc)
		return rc;
	in->gap = (struct mh_gap){.kind = MH_GAP_NONE};
	if (!is_first && (at->wall_ms - in->at.wall_ms) * 2 > in->interval_ms * 5)
		in->gap = (struct mh_gap){MH_GAP_STOPPED, in->at.wall_ms};
	in->is_begun = true;
	in->at = *at;
	in->fields = 0;
	in->lagging = 0;
	in->meminfo = NULL;
	mh_table_begin(in->table, *at);
	if (!boot_id && is_first) {
		make_boot_id(in, &made);
		boot_id = &made;
	}
	if (boot_id)
		mh_table_set_boot(in->table, boot_id);
	return 0;
}

int intake_finish(struct intake *in, struct mh_err *err)
{
	int rc = end_instant(in, in->at.wall_ms, err);

	if (rc)
		return rc;
	if (in->n_cut)
		tool_say(in->job->who,
			 "%" PRIu64 " row%s had names longer than %d or command lines longer than "
			 "%d bytes, which were cut there",
			 in->n_cut, human_s(in->n_cut), MH_COMM_MAX, MH_CMDLINE_MAX);
	mh_writer_stats(in->writer, &in->job->stats);
	rc = mh_writer_close(in->writer);
	in->writer = NULL;
	return rc ? mh_err_sys(err, rc, "cannot write the history %s", in->job->dir) : 0;
}

/* --- processes --------------------------------------------------------------------------- */

static int bad_process(const char *place, int rc, struct mh_err *err)
{
	return mh_err_sys(err, rc, "%s: cannot take in this process", place);
}

/* A twin of 0 may just not be known; and the table may have raised it. */
static bool is_other(const struct mh_process *p, const struct mh_identity *id)
{
	return p->id.start_ticks != id->start_ticks || (id->twin && p->id.twin != id->twin);
}

/* The table's process, a new one where the pid is free or was another's. */
static int find_process(struct intake *in, const struct mh_identity *id, const char *place,
			struct mh_process **ret, struct mh_err *err)
{
	struct mh_process *p = mh_table_find(in->table, id->pid);
	int rc = 0;

	if (p && mh_table_is_kept(in->table, p))
		return mh_errf(err, -EINVAL, "%s: pid %" PRIu32 " comes twice in one instant",
			       place, id->pid);
	if (p && is_other(p, id)) {
		mh_table_remove(in->table, p);
		p = NULL;
	}
	if (!p)
		rc = mh_table_add(in->table, id, &p);
	if (rc)
		return bad_process(place, rc, err);
	*ret = p;
	return 0;
}

int intake_process(struct intake *in, const struct mh_identity *id, const struct mh_names *names,
		   const uint64_t value[MH_FIELD_COUNT], const char *place, struct mh_err *err)
{
	struct mh_process *p = NULL;
	int rc = find_process(in, id, place, &p, err);

	if (rc)
		return rc;
	mh_table_set(in->table, p, value);
	rc = mh_table_rename(in->table, p, names);
	if (rc < 0)
		return bad_process(place, rc, err);
	mh_table_keep(in->table, p);
	in->n_cut += names->comm_len > MH_COMM_MAX || names->cmdline_len > MH_CMDLINE_MAX;
	return 0;
}

int intake_brief(struct intake *in, const struct mh_identity *id, const struct mh_names *names,
		 const uint64_t value[MH_FIELD_COUNT], const char *place, struct mh_err *err)
{
	int rc = mh_table_add_brief(in->table, id, names, value);

	return rc ? bad_process(place, rc, err) : 0;
}

void intake_ended(struct intake *in, const struct mh_identity *id,
		  const uint64_t value[MH_FIELD_COUNT])
{
	struct mh_process *p = mh_table_find(in->table, id->pid);

	if (!p || is_other(p, id) || mh_table_is_kept(in->table, p))
		return;
	for (int field = 0; field < MH_FIELD_COUNT; field++)
		if (mh_field_is_mark(field) && value[field])
			mh_table_set_one(in->table, p, field, value[field]);
	mh_table_remove(in->table, p);
}
