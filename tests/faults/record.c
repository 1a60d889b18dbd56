/*
 * A story for those who watch it from outside: recorded into a directory, told on standard output,
 * one line and one write(2) per event: "try WALL DIGEST", "done WALL DIGEST", "refused …", "sync
 * …", "synced …".
 *
 *     record DIR SEED STEPS WALL SYNC_EVERY SEAL_EVERY MERGE_EVERY ROTATE_EVERY UPKEEP \
 *         MAX_BYTES [MICROSECONDS]
 *
 * The last is how long it rests after each step.
 */
#include "tests/faults/story.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void tell(void *arg, enum story_event event, struct told snapshot)
{
	static const char *const words[] = {"try", "done", "refused", "sync", "synced"};

	(void)arg;
	printf("%s %" PRId64 " %08" PRIx32 "\n", words[event], snapshot.wall_ms, snapshot.digest);
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct story_config config = {.crowd = 12, .tell = tell};
	long long number[9];
	struct story *story;
	struct mh_err err = {""};
	int rc;

	if (argc < 11 || argc > 12)
		return 2;
	for (int i = 0; i < 9; i++)
		number[i] = strtoll(argv[i + 2], NULL, 10);
	config.dir = argv[1];
	config.seed = (uint64_t)number[0];
	config.wall_ms = number[2];
	config.sync_every = (uint32_t)number[3];
	config.seal_every = (uint32_t)number[4];
	config.merge_every = (uint32_t)number[5];
	config.rotate_every = (uint32_t)number[6];
	config.has_upkeep = number[7];
	config.max_bytes = (uint64_t)number[8];
	rc = story_begin(&story, &config, &err);
	for (long long i = 0; i < number[1] && !rc; i++) {
		rc = story_step(story, &err);
		if (argc > 11)
			usleep((useconds_t)strtoul(argv[11], NULL, 10));
	}
	if (rc) {
		fprintf(stderr, "record: %s\n", err.text);
		return 1;
	}
	return story_end(story) ? 1 : 0;
}
