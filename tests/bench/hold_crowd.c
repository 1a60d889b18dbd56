/* A crowd for benchmarks that are scripts: starts it, says so, and ends it with standard input. */
#include "tests/bench/crowd.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct crowd crowd;
	char byte;
	int rc;

	if (argc != 2) {
		fprintf(stderr, "usage: hold_crowd PROCESSES\n");
		return 2;
	}
	rc = crowd_start(&crowd, (uint32_t)strtoul(argv[1], NULL, 10));
	printf("%u\n", crowd.n);
	fflush(stdout);
	while (!rc && read(STDIN_FILENO, &byte, 1) > 0)
		;
	crowd_end(&crowd);
	return rc ? 1 : 0;
}
