#include "tests/unit/candle_book.h"

#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

void book_add(struct candle_book *b, const struct mh_identity *id, const struct mh_candle *candle)
{
	/* pieces make one */
	for (size_t i = b->n; i-- > b->from;) {
		struct mh_candle *c = &b->line[i].candle;

		if (!mh_identity_same(&b->line[i].id, id) ||
		    memcmp(&b->line[i].boot, &b->boot, sizeof(b->boot)) != 0)
			continue;
		c->high = candle->high > c->high ? candle->high : c->high;
		c->low = candle->low < c->low ? candle->low : c->low;
		c->close = candle->close;
		c->samples += candle->samples;
		return;
	}
	if (b->n == b->cap) {
		b->cap = b->cap ? b->cap * 2 : 256;
		b->line = reallocarray(b->line, b->cap, sizeof(*b->line));
		assert_non_null(b->line);
	}
	b->line[b->n++] = (struct candle_line){b->n_windows, b->boot, *id, *candle};
}

static int by_who(const void *a, const void *b)
{
	const struct candle_line *x = a, *y = b;
	int order = memcmp(&x->boot, &y->boot, sizeof(x->boot));

	if (x->window != y->window)
		return x->window < y->window ? -1 : 1;
	if (order)
		return order;
	if (x->id.pid != y->id.pid)
		return x->id.pid < y->id.pid ? -1 : 1;
	if (x->id.start_ticks != y->id.start_ticks)
		return x->id.start_ticks < y->id.start_ticks ? -1 : 1;
	return x->id.twin < y->id.twin ? -1 : x->id.twin > y->id.twin;
}

int book_on_window(void *arg, mh_ms_t start_ms, mh_ms_t end_ms)
{
	struct candle_book *b = arg;

	for (size_t i = b->from; i < b->n; i++) {
		assert_int_equal(b->line[i].candle.start_ms, start_ms);
		assert_int_equal(b->line[i].candle.end_ms, end_ms);
	}
	b->n_windows++;
	b->from = b->n;
	return 0;
}

void book_finish(struct candle_book *b)
{
	assert_int_equal(b->from, b->n);
	if (b->n)
		qsort(b->line, b->n, sizeof(*b->line), by_who);
}

void book_done(struct candle_book *b)
{
	free(b->line);
	free(b->by_series);
}

static void print(const char *what, const struct candle_line *l)
{
	print_error("%s: window %" PRIu64 " (%" PRId64 ") pid %u start %" PRIu64
		    " twin %u: %" PRIu64 " %" PRIu64 " %" PRIu64 " %" PRIu64 " of %u\n",
		    what, l->window, l->candle.start_ms, l->id.pid, l->id.start_ticks, l->id.twin,
		    l->candle.open, l->candle.high, l->candle.low, l->candle.close,
		    l->candle.samples);
}

void book_compare(const struct candle_book *a, const struct candle_book *b)
{
	for (size_t i = 0; i < a->n && i < b->n; i++) {
		const struct mh_candle *x = &a->line[i].candle, *y = &b->line[i].candle;

		if (!by_who(&a->line[i], &b->line[i]) && x->start_ms == y->start_ms &&
		    x->end_ms == y->end_ms && x->open == y->open && x->high == y->high &&
		    x->low == y->low && x->close == y->close && x->samples == y->samples)
			continue;
		print("snapshots", &a->line[i]);
		print("parts", &b->line[i]);
		fail();
	}
	assert_int_equal(a->n, b->n);
	assert_int_equal(a->n_windows, b->n_windows);
	assert_int_equal(a->snapshots, b->snapshots);
}
