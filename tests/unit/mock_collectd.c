#include "tests/unit/mock_collectd.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct mock mock;

void mock_reset(void)
{
	mock = (struct mock){.interval = TIME_T_TO_CDTIME_T(1)};
}

void mock_forget_values(void)
{
	mock.n_values = 0;
}

const struct mock_value *mock_find(const char *identifier)
{
	const struct mock_value *found = NULL;

	for (size_t i = 0; i < mock.n_values; i++) {
		if (strcmp(mock.value[i].identifier, identifier) != 0)
			continue;
		if (found)
			fail_msg("%s was dispatched twice", identifier);
		found = &mock.value[i];
	}
	return found;
}

int mock_logged(const char *text)
{
	int n = 0;

	for (const char *at = mock.log; (at = strstr(at, text)); at++)
		n++;
	return n;
}

int plugin_register_complex_config(const char *type, int (*callback)(oconfig_item_t *))
{
	assert_string_equal(type, "memhist");
	mock.config = callback;
	return 0;
}

int plugin_register_init(const char *name, plugin_init_cb callback)
{
	assert_string_equal(name, "memhist");
	mock.init = callback;
	return 0;
}

int plugin_register_complex_read(const char *group, const char *name, plugin_read_cb callback,
				 cdtime_t interval, user_data_t const *user_data)
{
	assert_null(group);
	assert_string_equal(name, "memhist");
	assert_true(interval == 0); /* collectd's, or that of the LoadPlugin block */
	assert_null(user_data);     /* it would be freed before the last flush */
	if (mock.refuses_read)
		return EINVAL;
	mock.read = callback;
	return 0;
}

int plugin_register_flush(const char *name, plugin_flush_cb callback, user_data_t const *user_data)
{
	assert_string_equal(name, "memhist");
	assert_null(user_data);
	mock.flush = callback;
	return 0;
}

int plugin_register_shutdown(const char *name, plugin_shutdown_cb callback)
{
	assert_string_equal(name, "memhist");
	mock.shutdown = callback;
	return 0;
}

cdtime_t plugin_get_interval(void)
{
	return mock.interval;
}

const data_set_t *plugin_get_ds(const char *name)
{
	static const data_set_t one = {.ds_num = 1}, two = {.ds_num = 2};

	if (mock.unknown_type && !strcmp(name, mock.unknown_type))
		return NULL;
	return strcmp(name, "ps_count") ? &one : &two;
}

/* Of the types that the plugin uses, those that count in whole numbers. */
static bool is_derive(const char *type)
{
	return !strcmp(type, "swap_io") || !strcmp(type, "total_events") ||
	       !strcmp(type, "total_time_in_ms");
}

int plugin_dispatch_values(value_list_t const *vl)
{
	struct mock_value *v = &mock.value[mock.n_values];

	if (mock.refuses_values)
		return ENOMEM;
	assert_true(mock.n_values++ < sizeof(mock.value) / sizeof(mock.value[0]));
	assert_true(vl->values_len >= 1 && vl->values_len <= 2);
	assert_int_equal(vl->host[0], 0); /* collectd fills in its own */
	assert_true(vl->interval == 0);
	snprintf(v->identifier, sizeof(v->identifier), "%s-%s/%s%s%s", vl->plugin,
		 vl->plugin_instance, vl->type, vl->type_instance[0] ? "-" : "", vl->type_instance);
	v->time = vl->time;
	v->n = vl->values_len;
	for (size_t i = 0; i < v->n; i++)
		v->value[i] = is_derive(vl->type) ? (double)vl->values[i].derive
						  : vl->values[i].gauge;
	return 0;
}

void plugin_log(int level, const char *format, ...)
{
	size_t room = sizeof(mock.log) - mock.log_len;
	va_list ap;
	int n;

	n = snprintf(mock.log + mock.log_len, room, "<%d> ", level);
	va_start(ap, format);
	n += vsnprintf(mock.log + mock.log_len + n, room - (size_t)n, format, ap);
	va_end(ap);
	assert_true((size_t)n + 1 < room);
	/* a line is a line, whatever a process or a folder calls itself */
	assert_null(strpbrk(mock.log + mock.log_len, "\n\x1b"));
	mock.log_len += (size_t)n;
	mock.log[mock.log_len++] = '\n';
	mock.log[mock.log_len] = '\0';
}
