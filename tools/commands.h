/* The commands of memhist: one file cmd_X.c each, listed in memhist.c. */
#ifndef MEMHIST_TOOLS_COMMANDS_H
#define MEMHIST_TOOLS_COMMANDS_H

#include "tools/options.h"

extern const struct command command_status;
extern const struct command command_verify;
extern const struct command command_dump;
extern const struct command command_config;
extern const struct command command_export;
extern const struct command command_import;
extern const struct command command_merge;
extern const struct command command_repair;
extern const struct command command_retain;
extern const struct command command_seal;

#endif
