/* Snapshots written by hand. */
#include "tests/unit/rounds.h"

#include <stdlib.h>
#include <string.h>

void rounds_init(struct rounds *r)
{
	*r = (struct rounds){.now = {.wall_ms = 1795206528502, .boot_ns = 1000000000}};
	if (mh_table_new(&r->table, 0))
		abort();
}

void rounds_done(struct rounds *r)
{
	mh_table_free(r->table);
}

void rounds_begin(struct rounds *r)
{
	r->now.wall_ms += 1000;
	r->now.boot_ns += 1000000000;
	mh_table_begin(r->table, r->now);
	mh_table_set_boot(r->table, &r->boot_id);
}

void rounds_named(struct rounds *r, uint32_t pid, uint64_t start_ticks,
		  const struct mh_names *names, uint64_t rss_pages)
{
	struct mh_identity id = {.pid = pid, .start_ticks = start_ticks};
	struct mh_process *p = mh_table_find(r->table, pid);

	if (p && p->id.start_ticks != start_ticks) {
		mh_table_remove(r->table, p);
		p = NULL;
	}
	if (!p && mh_table_add(r->table, &id, &p))
		abort();
	if (mh_table_rename(r->table, p, names) < 0)
		abort();
	mh_table_set_one(r->table, p, MH_FIELD_RSS, rss_pages);
	mh_table_set_one(r->table, p, MH_FIELD_VSZ, 2 * rss_pages);
	mh_table_keep(r->table, p);
}

void rounds_process(struct rounds *r, uint32_t pid, uint64_t start_ticks, const char *comm,
		    const char *command, uint64_t rss_pages)
{
	const struct mh_names names = {
		.ppid = 1,
		.comm = comm,
		.comm_len = strlen(comm),
		.cmdline = command,
		.cmdline_len = command ? strlen(command) : 0,
	};

	rounds_named(r, pid, start_ticks, &names, rss_pages);
}

const struct mh_snapshot *rounds_end(struct rounds *r)
{
	struct mh_round round = {.fields = MH_FIELDS(RSS) | MH_FIELDS(VSZ)};

	mh_table_drop_unkept(r->table);
	return mh_table_end(r->table, &round);
}
