/* The progress line: drawn at most five times a second. */
#include "tools/progress.h"

#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { REDRAW_MS = 200 };

void progress_begin(struct progress *p, const char *what, bool wanted)
{
	*p = (struct progress){.on = wanted && isatty(STDERR_FILENO), .what = what};
}

void progress_show(struct progress *p, uint64_t done, uint64_t total)
{
	struct timespec now;
	uint64_t now_ms;

	if (!p->on)
		return;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	now_ms = (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
	if (now_ms - p->last_ms < REDRAW_MS)
		return;
	p->last_ms = now_ms;
	if (total)
		fprintf(stderr, "\r\033[K%s %3.0f %%", p->what,
			100.0 * (double)(done < total ? done : total) / (double)total);
	else
		fprintf(stderr, "\r\033[K%s %llu", p->what, (unsigned long long)done);
}

void progress_end(struct progress *p)
{
	if (p->on && p->last_ms)
		fputs("\r\033[K", stderr);
	p->on = false;
}
