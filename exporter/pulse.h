/*
 * Whether a thread gets on. It says when it begins a piece of work, and when it has ended it, by
 * when it will begin the next; others see how late it is.
 *
 *     struct pulse pulse = {0};
 *     pulse_begin(&pulse); …; pulse_end(&pulse, 1000);   in the thread
 *     pulse_late_ms(&pulse), pulse_is_held(&pulse)       in any other
 */
#ifndef MEMHIST_EXPORTER_PULSE_H
#define MEMHIST_EXPORTER_PULSE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct pulse {
	atomic_uint_least64_t due_ns; /* CLOCK_MONOTONIC, which stops while suspended; 0: never */
	atomic_int tid;               /* 0: it has not begun anything */
};

void pulse_begin(struct pulse *p);
/* The next piece of work begins in so many ms at most; negative: when there is some. */
void pulse_end(struct pulse *p, int64_t wait_ms);

/* For how long it has been at this piece of work, or should have been at the next. */
uint64_t pulse_late_ms(struct pulse *p);
/*
 * Whether the kernel holds the thread (state D of proc(5)): it waits for a disk that does not
 * answer, say, and no signal reaches it until that does.
 */
bool pulse_is_held(struct pulse *p);

#endif
