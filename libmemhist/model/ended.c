/* Who ended in a round: two lists, and one index over both. */
#include "libmemhist/model/ended.h"

#include <errno.h>
#include <stdlib.h>

enum { FIRST_BRIEF = 64 };

void mh_ended_forget_twins(struct mh_ended *e)
{
	for (uint32_t i = 0; i < e->n_gone; i++)
		mh_index_remove(&e->index, mh_index_hash(e->gone[i].process.id.pid), 2 * i);
	for (uint32_t i = 0; i < e->n_brief; i++)
		mh_index_remove(&e->index, mh_index_hash(e->brief[i].id.pid), 2 * i + 1);
}

void mh_ended_clear_brief(struct mh_ended *e, struct mh_strpool *pool)
{
	for (uint32_t i = 0; i < e->n_brief; i++) {
		mh_index_remove(&e->index, mh_index_hash(e->brief[i].id.pid), 2 * i + 1);
		mh_process_done(&e->brief[i], pool);
	}
	e->n_brief = 0;
}

void mh_ended_clear(struct mh_ended *e, struct mh_strpool *pool)
{
	mh_ended_clear_brief(e, pool);
	for (uint32_t i = 0; i < e->n_gone; i++) {
		mh_index_remove(&e->index, mh_index_hash(e->gone[i].process.id.pid), 2 * i);
		mh_process_done(&e->gone[i].process, pool);
	}
	e->n_gone = 0;
}

void mh_ended_done(struct mh_ended *e, struct mh_strpool *pool)
{
	mh_ended_clear(e, pool);
	free(e->gone);
	free(e->brief);
	mh_index_done(&e->index);
}

int mh_ended_reserve(struct mh_ended *e, uint32_t n)
{
	struct mh_gone *gone;

	if (n <= e->gone_cap)
		return 0;
	gone = reallocarray(e->gone, n, sizeof(*gone));
	if (!gone)
		return -ENOMEM;
	e->gone = gone;
	if (mh_index_reserve(&e->index, n + e->brief_cap))
		return -ENOMEM;
	e->gone_cap = n;
	return 0;
}

void mh_ended_add_gone(struct mh_ended *e, const struct mh_process *p, uint32_t slot)
{
	uint32_t i = e->n_gone++;

	e->gone[i] = (struct mh_gone){.slot = slot, .process = *p};
	mh_index_add(&e->index, mh_index_hash(p->id.pid), 2 * i);
}

static int grow_brief(struct mh_ended *e)
{
	uint32_t cap = e->brief_cap ? e->brief_cap * 2 : FIRST_BRIEF;
	struct mh_process *brief;

	if (e->brief_cap >= MH_BRIEF_MAX)
		return -EOVERFLOW;
	brief = reallocarray(e->brief, cap, sizeof(*brief));
	if (!brief)
		return -ENOMEM;
	e->brief = brief;
	if (mh_index_reserve(&e->index, e->gone_cap + cap))
		return -ENOMEM;
	e->brief_cap = cap;
	return 0;
}

int mh_ended_add_brief(struct mh_ended *e, const struct mh_process *p)
{
	uint32_t i = e->n_brief;
	int rc = i == e->brief_cap ? grow_brief(e) : 0;

	if (rc)
		return rc;
	e->brief[i] = *p;
	e->n_brief++;
	mh_index_add(&e->index, mh_index_hash(p->id.pid), 2 * i + 1);
	return 0;
}

uint32_t mh_ended_next_twin(const struct mh_ended *e, const struct mh_identity *id)
{
	uint32_t at = 0, twin = 0, i;

	while ((i = mh_index_next(&e->index, mh_index_hash(id->pid), &at)) != MH_INDEX_END) {
		const struct mh_identity *was = i % 2 ? &e->brief[i / 2].id
						      : &e->gone[i / 2].process.id;

		if (was->pid == id->pid && was->start_ticks == id->start_ticks && was->twin >= twin)
			twin = was->twin + 1;
	}
	return twin;
}
