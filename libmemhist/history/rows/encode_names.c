/*
 * Names to numbers. What is remembered of a slot says of which chapter it is: of this one or the
 * one before it is worth a comparison, of any other it is not. Where it comes from does not matter
 * then, neither does what happened to the slot since.
 */
#include "libmemhist/history/rows/encode_names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { AHEAD = 8 };

struct mh_named {
	uint32_t chapter;
	uint32_t comm, cmdline;
};

void mh_names_out_done(struct mh_names_out *n)
{
	mh_strset_done(&n->strings[0]);
	mh_strset_done(&n->strings[1]);
	free(n->carried);
	free(n->by_slot);
}

static int reserve_slots(struct mh_names_out *n, uint32_t n_slots)
{
	uint32_t cap = n->slots_cap ? n->slots_cap : 64;
	struct mh_named *by_slot;

	if (n_slots <= n->slots_cap)
		return 0;
	while (cap < n_slots)
		cap *= 2;
	by_slot = reallocarray(n->by_slot, cap, sizeof(*by_slot));
	if (!by_slot)
		return -ENOMEM;
	memset(by_slot + n->slots_cap, 0, (cap - n->slots_cap) * sizeof(*by_slot));
	n->by_slot = by_slot;
	n->slots_cap = cap;
	return 0;
}

static int begin_chapter(struct mh_names_out *n)
{
	uint32_t n_before = n->strings[n->now].n_items;

	if (n_before > n->carried_cap) {
		uint32_t *carried = reallocarray(n->carried, n_before, sizeof(*carried));

		if (!carried)
			return -ENOMEM;
		n->carried = carried;
		n->carried_cap = n_before;
	}
	if (n_before)
		memset(n->carried, 0, n_before * sizeof(*n->carried));
	n->now = !n->now;
	mh_strset_clear(&n->strings[n->now]);
	n->n_sent = 0;
	n->chapter++;
	return 0;
}

int mh_names_out_begin(struct mh_names_out *n, bool key, uint32_t n_slots)
{
	int rc = reserve_slots(n, n_slots);

	n->frame++;
	n->unknown = 0;
	return rc || !key ? rc : begin_chapter(n);
}

static int number_of(struct mh_names_out *n, const char *bytes, size_t len, uint32_t *ret)
{
	int rc = mh_strset_add(&n->strings[n->now], bytes, len, ret);

	return rc < 0 ? rc : 0;
}

static bool is_same(const struct mh_str *str, const char *bytes, size_t len)
{
	return str && str->len == len && (!len || !memcmp(str->bytes, bytes, len));
}

/* The number of a string that may be the one which had the number `was` in chapter `of`. */
static int number_again(struct mh_names_out *n, uint32_t of, uint32_t was, const char *bytes,
			size_t len, uint32_t *ret)
{
	const struct mh_str *str;
	int rc;

	if (of == n->chapter && is_same(mh_strset_get(&n->strings[n->now], was), bytes, len)) {
		*ret = was;
		return 0;
	}
	str = of + 1 == n->chapter ? mh_strset_get(&n->strings[!n->now], was) : NULL;
	if (!is_same(str, bytes, len))
		return number_of(n, bytes, len, ret);
	if (!n->carried[was]) {
		rc = mh_strset_add_from(&n->strings[n->now], str, ret);
		if (rc < 0)
			return rc;
		n->carried[was] = *ret + 1;
	}
	*ret = n->carried[was] - 1;
	return 0;
}

/* Few programs and groups are shared by many processes, all of a table from one pool. */
static int number_shared(struct mh_names_out *n, const struct mh_pooled *string, uint32_t *ret)
{
	uint32_t at;
	int rc;

	if (!string && n->unknown) {
		*ret = n->unknown - 1;
		return 0;
	}
	if (!string) {
		rc = number_of(n, "", 0, ret);
		n->unknown = rc ? 0 : *ret + 1;
		return rc;
	}
	at = string->number % MH_NAMES_RECENT;
	if (n->recent[at].string == string && n->recent[at].frame == n->frame) {
		*ret = n->recent[at].number;
		return 0;
	}
	rc = number_of(n, string->bytes, string->len, ret);
	if (!rc) {
		n->recent[at].string = string;
		n->recent[at].frame = n->frame;
		n->recent[at].number = *ret;
	}
	return rc;
}

int mh_names_out_add(struct mh_names_out *n, const struct mh_process *const *who,
		     const uint32_t *slots, size_t count, const struct mh_name_columns *to)
{
	bool any_exe = false, any_cgroup = false;

	for (size_t i = 0; i < count; i++) {
		struct mh_named none = {0}, *was = slots ? &n->by_slot[slots[i]] : &none;
		const struct mh_process *p = who[i];
		uint32_t comm, cmdline, exe, cgroup;

		if (count - i > AHEAD)
			__builtin_prefetch(who[i + AHEAD]->cmdline);
		if (number_again(n, was->chapter, was->comm, p->comm, p->comm_len, &comm) ||
		    number_again(n, was->chapter, was->cmdline, p->cmdline, p->cmdline_len,
				 &cmdline) ||
		    number_shared(n, p->exe, &exe) || number_shared(n, p->cgroup, &cgroup))
			return -ENOMEM;
		*was = (struct mh_named){n->chapter, comm, cmdline};
		mh_column_add(to->comm, comm);
		mh_column_add(to->cmdline, cmdline);
		mh_column_add(to->exe, exe);
		mh_column_add(to->cgroup, cgroup);
		any_exe |= p->exe != NULL;
		any_cgroup |= p->cgroup != NULL;
	}
	if (!any_exe)
		mh_column_clear(to->exe);
	if (!any_cgroup)
		mh_column_clear(to->cgroup);
	return 0;
}

const struct mh_str *mh_names_out_new(struct mh_names_out *n)
{
	const struct mh_str *str = mh_strset_get(&n->strings[n->now], n->n_sent);

	n->n_sent += str != NULL;
	return str;
}
