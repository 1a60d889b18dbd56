/*
 * What a configuration says of groups: the list of rules, as process-exporter's configurations have
 * it, and the values below `groups`; and the list of rules that choose processes. See
 * memhist.yaml(5).
 */
#ifndef MEMHIST_CONFIG_GROUPING_H
#define MEMHIST_CONFIG_GROUPING_H

#include "libmemhist/base/buf.h"
#include "libmemhist/config/document.h"
#include "libmemhist/model/group.h"

enum { MH_GROUPS_MAX = 10000 }; /* groups.max, groups.top */

/*
 * The value of `process_names`. `tree` is what rules do that do not say. Returns 0; -EBADMSG and a
 * sentence that begins with "LINE:COLUMN: "; or -ENOMEM.
 */
int mh_grouping_rules(struct mh_rules **ret, const struct mh_node *list, bool tree,
		      struct mh_err *err);

/*
 * The value of `export_processes`: rules that choose processes, with the same selectors, min_rss,
 * and nothing else. Returns as mh_grouping_rules().
 */
int mh_grouping_choice(struct mh_rules **ret, const struct mh_node *list, struct mh_err *err);
/* Such a rule in words, as it was written: "comm: a, b; min_rss: 10M". */
void mh_grouping_words(struct mh_buf *out, const struct mh_node *rule);

/* How the group of a rule is called, of a rule that mh_grouping_rules() has read. */
const char *mh_grouping_name(const struct mh_node *rule);

/*
 * The values below `groups`. Each returns 0, or -EINVAL and a sentence.
 *
 *     by       program, exe, user, cgroup, unit, class, other or none: mh_groups_config.rest
 *     tree     true, yes, on; false, no, off
 *     max, top a number from 1 to MH_GROUPS_MAX
 *     min_rss  as mh_size_parse()
 */
int mh_grouping_by(const char *text, uint32_t *ret_rest, struct mh_err *err);
int mh_grouping_bool(const char *text, bool *ret, struct mh_err *err);
int mh_grouping_count(const char *text, uint32_t *ret, struct mh_err *err);
int mh_grouping_size(const char *text, uint64_t *ret_bytes, struct mh_err *err);

#endif
