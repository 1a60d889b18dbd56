/*
 * Histories read for those who cut them: for each directory named on standard input its snapshots
 * on standard output, "WALL DIGEST GAP", and a last line "end DAMAGES ORPHANS MISSING TORN", or
 * "error TEXT" where it cannot be read.
 *
 * A line "+DIR" wants more: a writer opens the history, and appends two snapshots. They are told as
 * "more WALL DIGEST" before the others.
 */
#include "tests/faults/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static int take(void *arg, struct told snapshot, int gap_kind)
{
	(void)arg;
	printf("%" PRId64 " %08" PRIx32 " %d\n", snapshot.wall_ms, snapshot.digest, gap_kind);
	return 0;
}

static void tell(void *arg, enum story_event event, struct told snapshot)
{
	(void)arg;
	if (event == STORY_DONE)
		printf("more %" PRId64 " %08" PRIx32 "\n", snapshot.wall_ms, snapshot.digest);
}

static int go_on(const char *dir, struct mh_err *err)
{
	const struct story_config config = {
		.dir = dir,
		.seed = 3,
		.wall_ms = INT64_C(1999999999000),
		.rotate_every = 10,
		.crowd = 12,
		.tell = tell,
	};
	struct story *story;
	int rc = story_begin(&story, &config, err);

	if (rc)
		return rc;
	rc = story_step(story, err);
	if (!rc)
		rc = story_step(story, err);
	story_end(story);
	return rc;
}

int main(void)
{
	char line[4096];

	while (fgets(line, sizeof(line), stdin)) {
		struct mh_reader_stats stats;
		struct mh_err err = {""};
		const char *dir = line + (line[0] == '+');
		int rc = 0;

		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '+')
			rc = go_on(dir, &err);
		if (!rc)
			rc = story_read(dir, take, NULL, &stats, &err);
		if (rc)
			printf("error %s\n", err.text);
		else
			printf("end %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 "\n",
			       stats.damages, stats.orphans, stats.missing, stats.torn_tails);
		fflush(stdout);
	}
	return 0;
}
