/* What config.c and config_load.c share; for nobody else. */
#ifndef MEMHIST_CONFIG_CONFIG_INNER_H
#define MEMHIST_CONFIG_CONFIG_INNER_H

#include "libmemhist/config/config.h"

enum mh_config_table { MH_CONFIG_MAIN, MH_CONFIG_GROUP_FILE };

/* As mh_config_parse(); names of files that are not absolute are meant from `dir`. */
int mh_config_parse_as(struct mh_config *ret, enum mh_config_table table, const char *dir,
		       const char *bytes, size_t len, struct mh_err *err);

#endif
