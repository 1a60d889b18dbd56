/* Recordings for tests. */
#include "tests/unit/recording.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void note(struct written *log, const struct mh_snapshot *s)
{
	struct mh_buf b = MH_BUF_INIT(1 << 20);

	describe(&b, s);
	log->text[log->n] = strdup(mh_buf_str(&b));
	log->wall_ms[log->n++] = s->at.wall_ms;
	log->process_samples += s->n_live;
	mh_buf_done(&b);
}

void forget(struct written *log)
{
	for (size_t i = 0; i < log->n; i++)
		free(log->text[i]);
	*log = (struct written){0};
}

struct mh_writer_config config_for(const char *dir)
{
	return (struct mh_writer_config){
		.dir = dir,
		.interval_ms = 1000,
		.page_bytes = 4096,
		.clk_tck = 100,
		.host = "test-host",
		.key_every = 7,
	};
}

struct mh_writer *open_writer(const struct mh_writer_config *config)
{
	struct mh_err err = {""};
	struct mh_writer *w = NULL;

	if (mh_writer_open(&w, config, &err))
		fail_msg("%s", err.text);
	return w;
}

void record(struct mh_writer *w, struct world *world, struct written *log, int steps)
{
	struct mh_err err = {""};

	while (steps--) {
		const struct mh_snapshot *s = world_step(world);

		if (mh_writer_append(w, s, &err))
			fail_msg("%s", err.text);
		note(log, s);
	}
}

struct mh_reader *open_reader(const char *dir, bool follow)
{
	struct mh_reader_options options = {MH_MS_MIN, MH_MS_MAX, follow, NULL, NULL};
	struct mh_err err = {""};
	struct mh_reader *r = NULL;

	if (mh_reader_open(&r, dir, &options, &err))
		fail_msg("%s", err.text);
	return r;
}
