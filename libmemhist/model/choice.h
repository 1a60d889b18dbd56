/*
 * Processes that rules choose one by one, among everybody in a snapshot. A process is chosen when
 * any rule takes it and it has as much resident memory as that rule asks for.
 *
 *     mh_choice_new(&c, rules);
 *     …each snapshot:
 *     rc = mh_choice_update(c, snapshot);
 *     if (mh_choice_takes(c, slot, rss_bytes)) …
 *
 * The rules (rules.h) are asked at a process' birth and when one of its names changes, and what
 * they say is remembered by slot, as a size. So nothing is asked in a tick where nobody is born or
 * renamed.
 */
#ifndef MEMHIST_MODEL_CHOICE_H
#define MEMHIST_MODEL_CHOICE_H

#include "libmemhist/model/rules.h"
#include "libmemhist/model/snapshot.h"

struct mh_choice;

/* The rules are taken over, but not on failure. Returns 0 or -ENOMEM. */
int mh_choice_new(struct mh_choice **ret, struct mh_rules *rules);
/* NULL is allowed. */
void mh_choice_free(struct mh_choice *c);

/*
 * The next snapshot, of the same source as the one before. Returns 0, or -ENOMEM: then processes
 * are missing among the chosen until the rest of them finds memory.
 */
int mh_choice_update(struct mh_choice *c, const struct mh_snapshot *s);

/* Whether the process in this slot of the last snapshot is chosen, given its resident memory. */
bool mh_choice_takes(const struct mh_choice *c, uint32_t slot, uint64_t rss_bytes);

/* As mh_rules_given_up(). */
uint64_t mh_choice_given_up(const struct mh_choice *c);

#endif
