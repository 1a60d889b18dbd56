/*
 * Sealed segments as they were before names and meminfo got frames of their own (Z15 of
 * docs/FORMAT.md): such files stay readable. Made of present ones.
 */
#ifndef MEMHIST_TESTS_UNIT_OLDER_H
#define MEMHIST_TESTS_UNIT_OLDER_H

#include "libmemhist/history/frame.h"

/*
 * Rewrite the frames of one part, head first; its payloads come from malloc() and are replaced by
 * others. The part has one chunk of series at most. Returns how many frames there are then.
 */
size_t older_part(struct mh_frame *frame, size_t n);
/* Rewrite all sealed segments of a history. */
void older_history(const char *dir);

#endif
