/*
 * The labels. A process' series is found when it is born or renamed and then known by its slot.
 * Invariants: `index` finds every series by its key (see hash_of() and below); texts are pooled, so
 * equal ones have equal pointers; last_nth[pid] is the greatest nth of that pid's series.
 */
#include "libmemhist/view/label.h"

#include "libmemhist/base/index.h"
#include "libmemhist/base/strpool.h"
#include "libmemhist/base/strset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64 };

struct series {
	uint64_t start_ticks;
	uint32_t pid;
	uint32_t twin;
	uint32_t boot; /* number in `boots` */
	uint32_t nth;
	const struct mh_pooled *command;
	const struct mh_pooled *comm;
	bool has_cmdline; /* `command` is a command line, not "[comm]" */
};

struct mh_labels {
	enum mh_label_rule rule;

	struct series *series;
	uint32_t n_series;
	uint32_t series_cap;
	struct mh_index index;
	struct mh_strpool pool;
	struct mh_strset boots;
	uint32_t boot; /* of the current snapshot */

	uint32_t *by_slot;
	uint32_t slots_cap;
	uint32_t *of_brief; /* of the current snapshot */
	uint32_t brief_cap;
	uint32_t *last_nth; /* by pid */
};

int mh_labels_new(struct mh_labels **ret, enum mh_label_rule rule)
{
	struct mh_labels *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->rule = rule;
	/* 16 MiB of address space; the kernel gives the pages of pids that come up */
	l->last_nth = calloc((size_t)MH_PID_MAX + 1, sizeof(*l->last_nth));
	if (!l->last_nth) {
		free(l);
		return -ENOMEM;
	}
	*ret = l;
	return 0;
}

void mh_labels_free(struct mh_labels *l)
{
	if (!l)
		return;
	mh_index_done(&l->index);
	mh_strpool_done(&l->pool);
	mh_strset_done(&l->boots);
	free(l->series);
	free(l->by_slot);
	free(l->of_brief);
	free(l->last_nth);
	free(l);
}

/* Room in *array for n items; new ones are zero. */
static int reserve(void **array, uint32_t *cap, uint32_t n, size_t size)
{
	uint32_t bigger = *cap ? *cap : FIRST_CAP;
	char *items;

	if (n <= *cap)
		return 0;
	while (bigger < n)
		bigger *= 2;
	items = reallocarray(*array, bigger, size);
	if (!items)
		return -ENOMEM;
	memset(items + *cap * size, 0, (bigger - *cap) * size);
	*array = items;
	*cap = bigger;
	return 0;
}

/* The key of a process: its identity and boot, or its pid and command line. */
static uint32_t hash_of(const struct mh_labels *l, const struct series *key)
{
	uint64_t identity[] = {key->start_ticks, (uint64_t)key->twin << 32 | key->pid, key->boot};

	if (l->rule == MH_LABEL_BY_COMMAND)
		return key->command->hash ^ key->pid * UINT32_C(0x9e3779b1);
	return mh_hash_bytes(identity, sizeof(identity));
}

static bool same_key(const struct mh_labels *l, const struct series *a, const struct series *b)
{
	if (a->pid != b->pid)
		return false;
	if (l->rule == MH_LABEL_BY_COMMAND)
		return a->command == b->command;
	return a->start_ticks == b->start_ticks && a->twin == b->twin && a->boot == b->boot;
}

/* The series with the key that `key` has; made of it when there was none. */
static int find_series(struct mh_labels *l, const struct series *key, uint32_t *ret)
{
	uint32_t hash = hash_of(l, key), at = 0, number;
	int rc;

	while ((number = mh_index_next(&l->index, hash, &at)) != MH_INDEX_END)
		if (same_key(l, &l->series[number], key)) {
			*ret = number;
			return 0;
		}
	number = l->n_series;
	if (reserve((void **)&l->series, &l->series_cap, number + 1, sizeof(*l->series)))
		return -ENOMEM;
	rc = mh_index_add(&l->index, hash, number);
	if (rc)
		return rc;
	l->series[number] = *key;
	l->series[number].nth = ++l->last_nth[key->pid];
	/* its texts are given by the caller, with references of their own */
	l->series[number].command = l->series[number].comm = NULL;
	l->n_series++;
	*ret = number;
	return 0;
}

/* A reference to what stands for the command of a process: its command line, or "[comm]". */
static const struct mh_pooled *get_command(struct mh_labels *l, const struct mh_process *p)
{
	char text[MH_COMM_MAX + 2];

	if (p->cmdline_len)
		return mh_strpool_get(&l->pool, p->cmdline, p->cmdline_len);
	text[0] = '[';
	memcpy(text + 1, p->comm, p->comm_len);
	text[1 + p->comm_len] = ']';
	return mh_strpool_get(&l->pool, text, p->comm_len + 2);
}

static void replace(struct mh_labels *l, const struct mh_pooled **text, const struct mh_pooled *by)
{
	mh_strpool_put(&l->pool, *text);
	*text = by;
}

/* Bind the process to its series, whose number is in *place, and give the series the process'
 * latest names. */
static int take_process(struct mh_labels *l, const struct mh_process *p, uint32_t *place, bool born)
{
	const bool by_command = l->rule == MH_LABEL_BY_COMMAND;
	/* a process without a command line has lost it, or never had one: no reason to move */
	const bool moves = born || (by_command && p->cmdline_len);
	struct series key = {
		.start_ticks = p->id.start_ticks,
		.pid = p->id.pid,
		.twin = p->id.twin,
		.boot = l->boot,
		.command = get_command(l, p),
		.comm = mh_strpool_get(&l->pool, p->comm, p->comm_len),
	};
	struct series *series;
	int rc = key.command && key.comm ? 0 : -ENOMEM;

	if (!rc && moves)
		rc = find_series(l, &key, place);
	if (rc) {
		mh_strpool_put(&l->pool, key.command);
		mh_strpool_put(&l->pool, key.comm);
		return rc;
	}
	series = &l->series[*place];
	replace(l, &series->comm, key.comm);
	if (by_command ? moves : p->cmdline_len || !series->has_cmdline) {
		replace(l, &series->command, key.command);
		series->has_cmdline = p->cmdline_len;
	} else {
		mh_strpool_put(&l->pool, key.command);
	}
	return 0;
}

int mh_labels_update(struct mh_labels *l, const struct mh_snapshot *s)
{
	int rc = reserve((void **)&l->by_slot, &l->slots_cap, s->n_slots, sizeof(*l->by_slot));

	if (!rc)
		rc = reserve((void **)&l->of_brief, &l->brief_cap, s->n_brief,
			     sizeof(*l->of_brief));
	if (rc)
		return rc;
	rc = mh_strset_add(&l->boots, (const char *)s->boot_id.bytes, sizeof(s->boot_id.bytes),
			   &l->boot);
	for (uint32_t i = 0; rc >= 0 && i < s->n_brief; i++)
		rc = take_process(l, &s->brief[i], &l->of_brief[i], true);
	for (uint32_t i = 0; rc >= 0 && i < s->n_born; i++)
		rc = take_process(l, &s->process[s->born[i]], &l->by_slot[s->born[i]], true);
	for (uint32_t i = 0; rc >= 0 && i < s->n_renamed; i++)
		rc = take_process(l, &s->process[s->renamed[i]], &l->by_slot[s->renamed[i]], false);
	return rc < 0 ? rc : 0;
}

uint32_t mh_labels_of_slot(const struct mh_labels *l, uint32_t slot)
{
	return slot < MH_PROCESSES_MAX ? l->by_slot[slot] : l->of_brief[slot - MH_BRIEF_SLOT(0)];
}

uint32_t mh_labels_count(const struct mh_labels *l)
{
	return l->n_series;
}

void mh_labels_series(const struct mh_labels *l, uint32_t series, struct mh_series *ret)
{
	const struct series *from = &l->series[series];

	*ret = (struct mh_series){
		.pid = from->pid,
		.nth = from->nth,
		.command_len = from->command->len,
		.command = from->command->bytes,
		.comm_len = from->comm->len,
		.comm = from->comm->bytes,
	};
}

void mh_label_write(struct mh_buf *out, const struct mh_series *series)
{
	mh_buf_addu(out, series->pid);
	if (series->nth > 1)
		mh_buf_printf(out, "(%u)", series->nth);
}

void mh_label_command(struct mh_buf *out, const struct mh_series *series)
{
	char *to = mh_buf_reserve(out, series->command_len);

	if (!to)
		return;
	for (uint32_t i = 0; i < series->command_len; i++)
		to[i] = series->command[i] ? series->command[i] : ' ';
	out->len += series->command_len;
}
