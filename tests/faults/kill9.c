/*
 * kill -9, again and again, on a writer that records, rotates, brings to the disk, seals, merges
 * and lets the oldest go: what was acknowledged before the kill is read back after it, byte for
 * byte and in order, nothing else is but the one snapshot that was on its way, and nothing is
 * damaged.
 *
 *     kill9 [ROUNDS [SEED]]
 *
 * The writer is a child that tells through shared memory; it is killed at a random moment after a
 * random number of snapshots. Each history lives through some rounds, so that writers meet what
 * killed ones left.
 */
#include "tests/faults/story.h"

#include "libmemhist/base/timespec.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum {
	ROUNDS = 300,
	ROUNDS_OF_A_HISTORY = 8,
	STEPS_MAX = 200, /* of a round; then the writer waits for its end */
	TOLD_MAX = STEPS_MAX * ROUNDS_OF_A_HISTORY,
	PATIENCE_S = 60,
};

/* What the writer tells, across its death. */
struct board {
	_Atomic uint32_t n_tried, n_done;
	_Atomic bool failed;
	struct mh_err err;
	struct told snapshot[STEPS_MAX];
};

/* A history and what must be in it. */
struct history {
	const char *dir;
	uint64_t max_bytes; /* 0 = nothing is ever let go */
	size_t n;
	struct told snapshot[TOLD_MAX];
	bool is_sure[TOLD_MAX]; /* acknowledged; else it was on its way and may be there */
	size_t n_read;          /* of these, by the reader that is at work … */
	bool has_begun;         /* … which has read the first one */
	uint64_t n_let_go;      /* snapshots that readers found to be, all readers together */
	const char *fault;
};

static uint64_t chance; /* state of the generator */

static uint32_t random_below(uint32_t n)
{
	struct world w = {.random = chance};
	uint32_t number = world_random(&w, n);

	chance = w.random;
	return number;
}

static void tell(void *arg, enum story_event event, struct told snapshot)
{
	struct board *board = arg;

	if (event == STORY_TRY) {
		board->snapshot[board->n_tried] = snapshot;
		board->n_tried++;
	} else if (event == STORY_DONE) {
		board->n_done++;
	} else if (event == STORY_REFUSED) {
		board->n_tried--;
	}
}

/* The writer. Never returns. */
static void live(const struct story_config *config, struct board *board)
{
	struct story *story;
	int rc = story_begin(&story, config, &board->err);

	for (int i = 0; i < STEPS_MAX && !rc; i++)
		rc = story_step(story, &board->err);
	board->failed = rc != 0;
	for (;;)
		pause();
}

static double now_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Wait until the writer has had `n` snapshots acknowledged, and a moment more. */
static bool await(const struct board *board, uint32_t n)
{
	const struct timespec nap = {.tv_nsec = 100000};
	double until = now_s() + PATIENCE_S;

	while (board->n_done < n && !board->failed && now_s() < until)
		nanosleep(&nap, NULL);
	if (board->failed || board->n_done < n)
		return false;
	until = now_s() + (double)random_below(3000) / 1e6;
	while (now_s() < until)
		;
	return !board->failed;
}

/* One life. Returns NULL or what went wrong. */
static const char *round_of(struct history *h, struct board *board, uint64_t seed)
{
	const struct story_config config = {
		.dir = h->dir,
		.seed = seed,
		.wall_ms = h->n ? h->snapshot[h->n - 1].wall_ms : INT64_C(1795206528000),
		.sync_every = random_below(4),
		.seal_every = random_below(9),
		.merge_every = random_below(20),
		.has_upkeep = h->max_bytes || random_below(2),
		.max_bytes = h->max_bytes,
		.rotate_every = 2 + random_below(6),
		.crowd = random_below(3) ? 12 : 400, /* frames of a page or of many */
		.tell = tell,
		.arg = board,
	};
	uint32_t n = random_below(25), n_tried;
	int status;
	bool lived;
	pid_t pid;

	memset(board, 0, sizeof(*board));
	pid = fork();
	if (pid < 0)
		return "cannot fork";
	if (!pid)
		live(&config, board);
	lived = await(board, n);
	kill(pid, SIGKILL);
	if (waitpid(pid, &status, 0) != pid || !WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		return "the writer ended by itself";
	if (!lived)
		return board->err.text[0] ? board->err.text : "the writer did not get on";
	/* what was tried last may not have got its place on the board */
	n_tried = board->n_tried < board->n_done + 1 ? board->n_done : board->n_done + 1;
	for (uint32_t i = 0; i < n_tried; i++, h->n++) {
		h->snapshot[h->n] = board->snapshot[i];
		h->is_sure[h->n] = i < board->n_done;
	}
	return NULL;
}

static int take(void *arg, struct told snapshot, int gap_kind)
{
	struct history *h = arg;

	(void)gap_kind;
	/* what was let go is missing at the beginning */
	while (h->max_bytes && !h->has_begun && h->n_read < h->n &&
	       h->snapshot[h->n_read].wall_ms < snapshot.wall_ms)
		h->n_read++;
	h->n_let_go += h->has_begun ? 0 : h->n_read;
	h->has_begun = true;
	while (h->n_read < h->n && !h->is_sure[h->n_read] &&
	       h->snapshot[h->n_read].wall_ms != snapshot.wall_ms)
		h->n_read++;
	if (h->n_read == h->n)
		h->fault = "a snapshot is there that was never written";
	else if (h->snapshot[h->n_read].wall_ms != snapshot.wall_ms)
		h->fault = "an acknowledged snapshot is lost";
	else if (h->snapshot[h->n_read].digest != snapshot.digest)
		h->fault = "a snapshot is not what was written";
	h->n_read++;
	return h->fault ? -EBADMSG : 0;
}

static const char *check(struct history *h, struct mh_err *err)
{
	struct mh_reader_stats stats;
	int rc;

	h->n_read = 0;
	h->has_begun = false;
	h->fault = NULL;
	rc = story_read(h->dir, take, h, &stats, err);
	if (h->fault)
		return h->fault;
	if (rc)
		return err->text;
	while (h->n_read < h->n && !h->is_sure[h->n_read])
		h->n_read++;
	if (h->n_read < h->n)
		return "an acknowledged snapshot at the end is lost";
	if (stats.damages || stats.orphans || stats.missing || stats.unreadable)
		return "the history is damaged";
	return NULL;
}

int main(int argc, char **argv)
{
	struct board *board = mmap(NULL, sizeof(*board), PROT_READ | PROT_WRITE,
				   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	static struct history h;
	uint64_t seed, n_done = 0, n_cut = 0;
	long rounds = argc > 1 ? strtol(argv[1], NULL, 10) : ROUNDS, round;
	const char *fault = NULL;
	struct mh_err err = {""};

	if (argc > 2)
		seed = strtoull(argv[2], NULL, 10);
	else if (getrandom(&seed, sizeof(seed), 0) != sizeof(seed))
		return 99;
	chance = seed;
	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..1\n# seed %" PRIu64 "\n", seed);
	if (board == MAP_FAILED)
		return 99;
	for (round = 0; round < rounds && !fault; round++) {
		if (round % ROUNDS_OF_A_HISTORY == 0) {
			if (h.dir)
				remove_dir(h.dir);
			/* every third one waits for a disk, the others go on */
			temp_in_memory(round / ROUNDS_OF_A_HISTORY % 3);
			h.dir = temp_dir();
			h.n = 0;
			h.max_bytes = random_below(2) ? 150000 + random_below(100000) : 0;
		}
		fault = round_of(&h, board, (uint64_t)round);
		n_done += board->n_done;
		n_cut += board->n_tried > board->n_done;
		if (!fault)
			fault = check(&h, &err);
		if ((round + 1) % 1000 == 0)
			printf("# %ld rounds, %" PRIu64 " snapshots acknowledged\n", round + 1,
			       n_done);
	}
	if (fault)
		printf("# round %ld in %s: %s\nnot ", round, h.dir, fault);
	else
		remove_dir(h.dir);
	printf("ok 1 - %ld rounds of kill -9: %" PRIu64 " snapshots acknowledged, %" PRIu64
	       " on their way, none lost but %" PRIu64 " times one that was let go\n",
	       round, n_done, n_cut, h.n_let_go);
	return fault != NULL;
}
