/*
 * "Did you mean …?": the known word nearest to one that was not understood.
 *
 *     static const char *const options[] = {"HistoryDir", "Select", NULL};
 *
 *     mh_suggest("HistroyDir", options)       // "HistoryDir"
 *     mh_suggest("Foo", options)              // NULL: nothing is like it
 */
#ifndef MEMHIST_BASE_SUGGEST_H
#define MEMHIST_BASE_SUGGEST_H

/*
 * The word of `known` (ended by NULL) that takes the fewest typing errors to become `word`: a
 * letter too many, one missing, a wrong one, two exchanged; upper and lower case count as the same.
 * Of equals the first in the list. NULL when more than a third of the letters would be wrong, so
 * that no far-fetched guess is offered. `word` may hold any bytes and have any length.
 */
const char *mh_suggest(const char *word, const char *const *known);

#endif
