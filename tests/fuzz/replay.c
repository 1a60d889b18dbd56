/*
 * Without libFuzzer: the target's seeds and files, each as it is and in many changes by a generator
 * with a fixed start, so that every run does the same.
 *
 *     TARGET [CHANGES [FILE…]]        changes of each seed and file, 0: none
 *
 * With libFuzzer: MEMHIST_FUZZ_SEEDS names a folder that gets the seeds.
 */
#include "tests/fuzz/fuzz.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

uint8_t *fuzz_copy(const void *bytes, size_t len, size_t *ret_len)
{
	uint8_t *copy = malloc(len ? len : 1);

	if (!copy)
		abort();
	if (len)
		memcpy(copy, bytes, len);
	*ret_len = len;
	return copy;
}

void fuzz_fail(const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: %s does not hold\n", file, line, what);
	abort();
}

#ifdef FUZZING

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	const char *folder = getenv("MEMHIST_FUZZ_SEEDS");
	uint8_t *bytes;
	size_t len;

	(void)argc;
	(void)argv;
	for (unsigned n = 0; folder && (bytes = fuzz_seed(n, &len)); n++) {
		char path[4096];
		FILE *file;

		snprintf(path, sizeof(path), "%s/seed%u", folder, n);
		file = fopen(path, "we");
		if (!file || fwrite(bytes, 1, len, file) != len || fclose(file))
			abort();
		free(bytes);
	}
	return 0;
}

#else

enum { CHANGES = 1000, INPUT_MAX = 1 << 16, PATIENCE_S = 120 };

static uint64_t state = 4711;

static size_t random_below(size_t n)
{
	/* splitmix64 */
	uint64_t z = state += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return (z ^ z >> 31) % n;
}

/* One change of `len` bytes in a buffer of INPUT_MAX; returns how many there are then. */
static size_t change(uint8_t *bytes, size_t len)
{
	static const uint8_t telling[] = {0, 1, 0x7f, 0x80, 0xff, '\n', ',', '"', '-', '0'};
	size_t at, n;

	if (!len)
		return 0;
	at = random_below(len);
	switch (random_below(7)) {
	case 0:
		bytes[at] ^= (uint8_t)(1u << random_below(8));
		return len;
	case 1:
		bytes[at] = telling[random_below(sizeof(telling))];
		return len;
	case 2:
		bytes[at] = (uint8_t)random_below(256);
		return len;
	case 3: /* cut */
		return at;
	case 4: /* leave some out */
		n = 1 + random_below(len - at < 16 ? len - at : 16);
		memmove(bytes + at, bytes + at + n, len - at - n);
		return len - n;
	case 5: /* say some twice */
		n = 1 + random_below(len - at);
		if (len + n > INPUT_MAX)
			return len;
		memmove(bytes + at + n, bytes + at, len - at);
		return len + n;
	default: /* say what stands elsewhere */
		n = 1 + random_below(len - at < 8 ? len - at : 8);
		memmove(bytes + at, bytes + random_below(len - n + 1), n);
		return len;
	}
}

/* What the target has been given, for the post-mortem. */
static const uint8_t *fed;
static size_t fed_len;

static void leave_evidence(int signal_number)
{
	int fd = open("fuzz-crash", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	static const char word[] = "# it broke at what the file fuzz-crash has now\n";

	if (fd >= 0 && write(fd, fed, fed_len) == (ssize_t)fed_len)
		fd = (int)write(STDOUT_FILENO, word, sizeof(word) - 1);
	raise(signal_number); /* SA_RESETHAND: now it ends */
}

static void expect_the_worst(void)
{
	static const int signals[] = {SIGILL, SIGTRAP, SIGABRT, SIGSEGV, SIGBUS, SIGFPE, SIGALRM};
	struct sigaction action = {.sa_handler = leave_evidence, .sa_flags = SA_RESETHAND};

	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		sigaction(signals[i], &action, NULL);
}

/* In memory of its own size, so that a look past the end is one past the memory. */
static void feed(const uint8_t *bytes, size_t len)
{
	size_t copied;
	uint8_t *exact = fuzz_copy(bytes, len, &copied);

	fed = exact;
	fed_len = copied;
	alarm(PATIENCE_S);
	LLVMFuzzerTestOneInput(exact, copied);
	free(exact);
}

static unsigned long feed_changes(const uint8_t *bytes, size_t len, long changes)
{
	static uint8_t changed[INPUT_MAX];

	feed(bytes, len);
	if (len > INPUT_MAX)
		return 1;
	for (long i = 0; i < changes; i++) {
		size_t n = len;

		memcpy(changed, bytes, len);
		for (size_t times = 1 + random_below(4); times--;)
			n = change(changed, n);
		if (random_below(8))
			fuzz_mend(changed, n);
		feed(changed, n);
	}
	return 1 + (unsigned long)changes;
}

static unsigned long feed_file(const char *path, long changes)
{
	static uint8_t bytes[1 << 20];
	FILE *file = fopen(path, "re");
	size_t len;

	if (!file) {
		printf("Bail out! cannot open %s\n", path);
		exit(1);
	}
	len = fread(bytes, 1, sizeof(bytes), file);
	fclose(file);
	return feed_changes(bytes, len, changes);
}

/* The files that are kept for this target: those that once broke it. */
static unsigned long feed_corpus(const char *target, long changes)
{
	const char *source = getenv("MEMHIST_SRCDIR");
	char folder[4096], path[8192];
	unsigned long n = 0;
	struct dirent *entry;
	DIR *dir;

	if (!source)
		return 0;
	snprintf(folder, sizeof(folder), "%s/tests/fuzz/corpus/%s", source, target);
	dir = opendir(folder);
	while (dir && (entry = readdir(dir))) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
		n += feed_file(path, changes);
	}
	if (dir)
		closedir(dir);
	return n;
}

int main(int argc, char **argv)
{
	long changes = argc > 1 ? strtol(argv[1], NULL, 10) : CHANGES;
	const char *slash = strrchr(argv[0], '/'), *target = slash ? slash + 1 : argv[0];
	unsigned long n = 0;
	uint8_t *bytes;
	size_t len;

	setvbuf(stdout, NULL, _IOLBF, 0);
	printf("1..1\n");
	expect_the_worst();
	if (argc > 2) {
		for (int i = 2; i < argc; i++)
			n += feed_file(argv[i], changes);
	} else {
		for (unsigned seed = 0; (bytes = fuzz_seed(seed, &len)); seed++) {
			n += feed_changes(bytes, len, changes);
			free(bytes);
		}
		n += feed_corpus(strncmp(target, "lt-", 3) ? target : target + 3, changes);
	}
	printf("ok 1 - %s: %lu inputs\n", target, n);
	return 0;
}

#endif
