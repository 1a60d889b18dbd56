/* The choice of processes. Everybody is looked at when born or renamed, nobody else. */
#include "tools/chosen.h"

#include "tools/options.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { COMMAND_MAX = 2 * MH_CMDLINE_MAX };

int chosen_add_pids(struct chosen *c, const char *list, struct mh_err *err)
{
	while (*list) {
		size_t len = strcspn(list, ",");
		char word[24];
		long long pid;
		int rc;

		snprintf(word, sizeof(word), "%.*s", (int)len, list);
		rc = option_number(word, 1, MH_PID_MAX, &pid, err);
		if (rc)
			return rc;
		if (c->n_pids == CHOSEN_PIDS_MAX)
			return mh_errf(err, -EOVERFLOW, "more than %d pids", CHOSEN_PIDS_MAX);
		c->pid[c->n_pids++] = (uint32_t)pid;
		list += len + (list[len] == ',');
	}
	return c->n_pids ? 0 : mh_errf(err, -EINVAL, "no pid");
}

int chosen_set_match(struct chosen *c, const char *pattern, struct mh_err *err)
{
	mh_match_free(c->match);
	c->match = NULL;
	return mh_match_new(&c->match, pattern, MH_MATCH_SUBSTRING, err);
}

void chosen_done(struct chosen *c)
{
	mh_match_free(c->match);
	free(c->is_slot);
	free(c->is_gone);
	free(c->is_brief);
	mh_buf_done(&c->command);
	*c = (struct chosen){0};
}

static int reserve(bool **flags, uint32_t *cap, uint32_t n)
{
	uint32_t more = *cap ? *cap : 256;
	bool *bigger;

	if (n <= *cap)
		return 0;
	while (more < n)
		more *= 2;
	bigger = realloc(*flags, more * sizeof(**flags));
	if (!bigger)
		return -ENOMEM;
	memset(bigger + *cap, 0, (more - *cap) * sizeof(**flags));
	*flags = bigger;
	*cap = more;
	return 0;
}

static bool has_pid(const struct chosen *c, const struct mh_process *p)
{
	for (uint32_t i = 0; i < c->n_pids; i++)
		if (c->pid[i] == p->id.pid)
			return true;
	return !c->n_pids;
}

static bool has_name(struct chosen *c, const struct mh_process *p)
{
	if (!c->match || mh_match_name(c->match, p->comm, p->comm_len))
		return true;
	c->command.max = COMMAND_MAX;
	mh_buf_clear(&c->command);
	mh_buf_add(&c->command, p->cmdline, p->cmdline_len);
	for (size_t i = 0; i < c->command.len; i++)
		if (!c->command.data[i])
			c->command.data[i] = ' ';
	return mh_match_name(c->match, c->command.data, c->command.len);
}

int chosen_update(struct chosen *c, const struct mh_snapshot *s)
{
	if (reserve(&c->is_slot, &c->slots_cap, s->n_slots) ||
	    reserve(&c->is_gone, &c->gone_cap, s->n_gone) ||
	    reserve(&c->is_brief, &c->brief_cap, s->n_brief))
		return -ENOMEM;
	for (uint32_t i = 0; i < s->n_gone; i++) {
		uint32_t slot = s->gone[i].slot;

		/* one born and gone before the first snapshot wanted may have had any slot */
		c->is_gone[i] = slot < c->slots_cap && c->is_slot[slot];
		if (slot < c->slots_cap)
			c->is_slot[slot] = false;
	}
	for (uint32_t i = 0; i < s->n_brief; i++)
		c->is_brief[i] = has_pid(c, &s->brief[i]) && has_name(c, &s->brief[i]);
	for (uint32_t i = 0; i < s->n_born; i++) {
		const struct mh_process *p = &s->process[s->born[i]];

		c->is_slot[s->born[i]] = has_pid(c, p) && has_name(c, p);
	}
	for (uint32_t i = 0; i < s->n_renamed; i++) {
		const struct mh_process *p = &s->process[s->renamed[i]];

		if (!c->is_slot[s->renamed[i]])
			c->is_slot[s->renamed[i]] = has_pid(c, p) && has_name(c, p);
	}
	return 0;
}
