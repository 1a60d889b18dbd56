/*
 * The part of collectd that a plugin touches, for tests without the daemon: registrations are kept,
 * so that a test can call them as the daemon would; values and log lines are recorded.
 */
#ifndef MEMHIST_TESTS_UNIT_MOCK_COLLECTD_H
#define MEMHIST_TESTS_UNIT_MOCK_COLLECTD_H

#include "collectd.h"
#include "plugin.h"

#define MOCK_STRING(text)                                                        \
	{                                                                        \
		.value = {.string = (char *)(text)}, .type = OCONFIG_TYPE_STRING \
	}
#define MOCK_NUMBER(n)                                                \
	{                                                             \
		.value = {.number = (n)}, .type = OCONFIG_TYPE_NUMBER \
	}
#define MOCK_BOOLEAN(b)                                                 \
	{                                                               \
		.value = {.boolean = (b)}, .type = OCONFIG_TYPE_BOOLEAN \
	}

struct mock_value {
	char identifier[4 * DATA_MAX_NAME_LEN]; /* as collectd writes it: "memhist-sh/ps_rss" */
	double value[2];
	size_t n;
	cdtime_t time;
};

struct mock {
	/* what is registered; NULL = nothing */
	int (*config)(oconfig_item_t *block);
	plugin_init_cb init;
	plugin_read_cb read;
	plugin_flush_cb flush;
	plugin_shutdown_cb shutdown;

	struct mock_value value[1024];
	size_t n_values;
	char log[64 * 1024]; /* lines "<level> text" */
	size_t log_len;

	/* how collectd behaves */
	cdtime_t interval;
	const char *unknown_type; /* a type that it does not know, or NULL */
	bool refuses_values;
	bool refuses_read;
};

extern struct mock mock;

/* A fresh daemon with an interval of one second. */
void mock_reset(void);
void mock_forget_values(void);
/* The recorded value with this identifier, or NULL; fails the test when there are two. */
const struct mock_value *mock_find(const char *identifier);
/* How many log lines hold `text`. */
int mock_logged(const char *text);

#endif
