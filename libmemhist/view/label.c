/*
 * The labels. A process' series is found when it is born or renamed and then known by its slot.
 *
 * By identity nearly every process is the last one of its pid that was met, or a later one, so what
 * is known by pid answers. The index is for the others, and is made when the first of them comes.
 *
 * Invariants: `index` finds each of the first n_indexed series by its key (see hash_of() and
 * below); texts are pooled, so equal ones have equal pointers; by_pid[pid].last is the series of
 * that pid with the greatest nth, which is by_pid[pid].n, and no series of that pid is later than
 * by_pid[pid] says (see is_later()).
 *
 * Where series are forgotten there is no index, all series of a pid come one after the other, and
 * by_pid[pid] tells the last of them, also when that is forgotten.
 */
#include "libmemhist/view/label.h"

#include "libmemhist/base/index.h"
#include "libmemhist/base/strpool.h"
#include "libmemhist/base/strset.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CAP = 64, SERIES_MAX = 1 << 30 };

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

struct of_pid {
	uint64_t start_ticks;
	uint32_t twin;
	uint32_t boot;
	uint32_t last; /* series + 1; 0 = none, or forgotten */
	uint32_t n;
};

struct mh_labels {
	enum mh_label_rule rule;

	struct series *series;
	uint32_t n_series; /* numbers used */
	uint32_t series_cap;
	uint32_t n_labels; /* given */
	bool is_forgetful;
	uint32_t *unused; /* numbers of forgotten series */
	uint32_t n_unused, unused_cap;
	struct mh_index index;
	uint32_t n_indexed;
	struct mh_strpool pool;
	struct mh_strset boots;
	uint32_t boot; /* of the current snapshot */

	uint32_t *by_slot;
	uint32_t slots_cap;
	uint32_t *of_brief; /* of the current snapshot */
	uint32_t brief_cap;
	struct of_pid *by_pid;
};

int mh_labels_new(struct mh_labels **ret, enum mh_label_rule rule)
{
	struct mh_labels *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	l->rule = rule;
	/* 96 MiB of address space; the kernel gives the pages of pids that come up */
	l->by_pid = calloc((size_t)MH_PID_MAX + 1, sizeof(*l->by_pid));
	if (!l->by_pid) {
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
	free(l->unused);
	free(l->by_slot);
	free(l->of_brief);
	free(l->by_pid);
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

static int complete_index(struct mh_labels *l)
{
	for (; l->n_indexed < l->n_series; l->n_indexed++) {
		int rc = mh_index_add(&l->index, hash_of(l, &l->series[l->n_indexed]),
				      l->n_indexed);

		if (rc)
			return rc;
	}
	return 0;
}

static bool is_later(const struct series *key, const struct of_pid *known)
{
	if (key->boot != known->boot)
		return key->boot > known->boot;
	if (key->start_ticks != known->start_ticks)
		return key->start_ticks > known->start_ticks;
	return key->twin > known->twin;
}

static bool is_last(const struct series *key, const struct of_pid *known)
{
	return key->boot == known->boot && key->start_ticks == known->start_ticks &&
	       key->twin == known->twin;
}

/* Look for the series with this key: 1 and *ret, 0: there is none, or -errno. */
static int look_up(struct mh_labels *l, const struct series *key, uint32_t *ret)
{
	const struct of_pid *known = &l->by_pid[key->pid];
	uint32_t at = 0, number, hash;
	int rc;

	if (!known->n)
		return 0;
	if (known->last && same_key(l, &l->series[known->last - 1], key)) {
		*ret = known->last - 1;
		return 1;
	}
	if (l->rule == MH_LABEL_BY_IDENTITY && is_later(key, known))
		return 0;
	if (l->is_forgetful)
		return is_last(key, known) ? 0 : -EAGAIN;
	rc = complete_index(l);
	if (rc)
		return rc;
	hash = hash_of(l, key);
	while ((number = mh_index_next(&l->index, hash, &at)) != MH_INDEX_END)
		if (same_key(l, &l->series[number], key)) {
			*ret = number;
			return 1;
		}
	return 0;
}

/* A number for a series. */
static int take_number(struct mh_labels *l, uint32_t *ret)
{
	if (l->n_unused) {
		*ret = l->unused[--l->n_unused];
		return 0;
	}
	if (l->n_labels >= SERIES_MAX)
		return -EOVERFLOW;
	if (l->n_series == l->series_cap &&
	    (reserve((void **)&l->series, &l->series_cap, l->n_series + 1, sizeof(*l->series)) ||
	     (l->is_forgetful &&
	      reserve((void **)&l->unused, &l->unused_cap, l->series_cap, sizeof(*l->unused)))))
		return -ENOMEM;
	*ret = l->n_series++;
	return 0;
}

/* What is known of the pid of a series that is new, or was forgotten: its nth. */
static uint32_t note(struct mh_labels *l, const struct series *key, uint32_t number)
{
	struct of_pid *known = &l->by_pid[key->pid];

	if (!l->is_forgetful || !known->n || !is_last(key, known)) {
		l->n_labels++;
		known->n++;
	}
	if (known->n == 1 || is_later(key, known)) {
		known->boot = key->boot;
		known->start_ticks = key->start_ticks;
		known->twin = key->twin;
	}
	known->last = number + 1;
	return known->n;
}

/* The series with the key that `key` has; made of it when there was none: 1, else 0, or -errno. Its
 * texts are references that it takes over when it is made. */
static int find_series(struct mh_labels *l, const struct series *key, uint32_t *ret)
{
	uint32_t number;
	int rc = look_up(l, key, ret);

	if (rc)
		return rc < 0 ? rc : 0;
	rc = take_number(l, &number);
	if (rc)
		return rc;
	l->series[number] = *key;
	l->series[number].nth = note(l, key, number);
	*ret = number;
	return 1;
}

void mh_labels_forgetful(struct mh_labels *l)
{
	l->is_forgetful = true;
}

void mh_labels_forget(struct mh_labels *l, uint32_t series, struct mh_forgotten *ret)
{
	const struct series *s = &l->series[series];
	struct of_pid *known = &l->by_pid[s->pid];

	*ret = (struct mh_forgotten){s->pid, s->nth, series, s->command, s->has_cmdline};
	mh_strpool_put(&l->pool, s->comm);
	if (known->last == series + 1)
		known->last = 0;
	l->unused[l->n_unused++] = series;
}

static const struct mh_pooled *get_bracketed(struct mh_labels *l, const char *comm, size_t len)
{
	char text[MH_COMM_MAX + 2];

	len = len < MH_COMM_MAX ? len : MH_COMM_MAX;
	text[0] = '[';
	memcpy(text + 1, comm, len);
	text[1 + len] = ']';
	return mh_strpool_get(&l->pool, text, len + 2);
}

/* A reference to what stands for the command of a process: its command line, or "[comm]". */
static const struct mh_pooled *get_command(struct mh_labels *l, const struct mh_process *p)
{
	return p->cmdline_len ? mh_strpool_get(&l->pool, p->cmdline, p->cmdline_len)
			      : get_bracketed(l, p->comm, p->comm_len);
}

static void replace(struct mh_labels *l, const struct mh_pooled **text, const struct mh_pooled *by)
{
	mh_strpool_put(&l->pool, *text);
	*text = by;
}

/* Give a series the names that `key` has, whose references it takes over. */
static void give_names(struct mh_labels *l, struct series *series, const struct series *key,
		       bool moves)
{
	bool takes_command = l->rule == MH_LABEL_BY_COMMAND
				     ? moves
				     : key->has_cmdline || !series->has_cmdline;

	replace(l, &series->comm, key->comm);
	if (takes_command) {
		replace(l, &series->command, key->command);
		series->has_cmdline = key->has_cmdline;
	} else {
		mh_strpool_put(&l->pool, key->command);
	}
}

/* Bind the process to its series, whose number is in *place, and give the series the process'
 * latest names. */
static int take_process(struct mh_labels *l, const struct mh_process *p, uint32_t *place, bool born)
{
	/* a process without a command line has lost it, or never had one: no reason to move */
	const bool moves = born || (l->rule == MH_LABEL_BY_COMMAND && p->cmdline_len);
	struct series key = {
		.start_ticks = p->id.start_ticks,
		.pid = p->id.pid,
		.twin = p->id.twin,
		.boot = l->boot,
		.command = get_command(l, p),
		.comm = mh_strpool_get(&l->pool, p->comm, p->comm_len),
		.has_cmdline = p->cmdline_len,
	};
	int rc = key.command && key.comm ? 0 : -ENOMEM;

	if (!rc && moves)
		rc = find_series(l, &key, place);
	if (rc < 0) {
		mh_strpool_put(&l->pool, key.command);
		mh_strpool_put(&l->pool, key.comm);
		return rc;
	}
	if (!rc)
		give_names(l, &l->series[*place], &key, moves);
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
	rc = mh_labels_begin(l, &s->boot_id);
	for (uint32_t i = 0; rc >= 0 && i < s->n_brief; i++)
		rc = take_process(l, &s->brief[i], &l->of_brief[i], true);
	for (uint32_t i = 0; rc >= 0 && i < s->n_born; i++)
		rc = take_process(l, &s->process[s->born[i]], &l->by_slot[s->born[i]], true);
	for (uint32_t i = 0; rc >= 0 && i < s->n_renamed; i++)
		rc = take_process(l, &s->process[s->renamed[i]], &l->by_slot[s->renamed[i]], false);
	return rc < 0 ? rc : 0;
}

int mh_labels_begin(struct mh_labels *l, const struct mh_boot_id *boot_id)
{
	int rc = mh_strset_add(&l->boots, (const char *)boot_id->bytes, sizeof(boot_id->bytes),
			       &l->boot);

	return rc < 0 ? rc : 0;
}

int mh_labels_find(struct mh_labels *l, const struct mh_identity *id,
		   const struct mh_label_names *names, uint32_t *ret)
{
	const struct series key = {
		.start_ticks = id->start_ticks,
		.pid = id->pid,
		.twin = id->twin,
		.boot = l->boot,
		.command = names->command,
		.comm = names->comm,
		.has_cmdline = names->has_cmdline,
	};
	int rc = find_series(l, &key, ret);

	if (rc > 0) {
		mh_strpool_hold(&l->pool, key.command);
		mh_strpool_hold(&l->pool, key.comm);
	}
	return rc;
}

void mh_labels_name(struct mh_labels *l, uint32_t series, const struct mh_label_names *names)
{
	const struct series key = {
		.command = names->command,
		.comm = names->comm,
		.has_cmdline = names->has_cmdline,
	};

	mh_strpool_hold(&l->pool, key.command);
	mh_strpool_hold(&l->pool, key.comm);
	give_names(l, &l->series[series], &key, true);
}

const struct mh_pooled *mh_labels_text(struct mh_labels *l, const char *bytes, size_t len)
{
	return mh_strpool_get(&l->pool, bytes, len);
}

const struct mh_pooled *mh_labels_bracketed(struct mh_labels *l, const char *comm, size_t len)
{
	return get_bracketed(l, comm, len);
}

void mh_labels_put(struct mh_labels *l, const struct mh_pooled *text)
{
	mh_strpool_put(&l->pool, text);
}

uint32_t mh_labels_of_slot(const struct mh_labels *l, uint32_t slot)
{
	return slot < MH_PROCESSES_MAX ? l->by_slot[slot] : l->of_brief[slot - MH_BRIEF_SLOT(0)];
}

uint32_t mh_labels_count(const struct mh_labels *l)
{
	return l->n_labels;
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

struct mh_label mh_labels_label(const struct mh_labels *l, uint32_t series)
{
	return (struct mh_label){l->series[series].pid, l->series[series].nth};
}

const struct mh_pooled *mh_labels_comm(const struct mh_labels *l, uint32_t series)
{
	return l->series[series].comm;
}

void mh_label_write(struct mh_buf *out, const struct mh_series *series)
{
	mh_buf_addu(out, series->pid);
	if (series->nth < 2)
		return;
	mh_buf_addc(out, '(');
	mh_buf_addu(out, series->nth);
	mh_buf_addc(out, ')');
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
