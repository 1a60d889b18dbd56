/*
 * A heap of numbers, the least on top, for merging: what the numbers stand for, and which comes
 * before which, is the owner's business.
 */
#ifndef MEMHIST_TOOLS_HEAP_H
#define MEMHIST_TOOLS_HEAP_H

#include <stdbool.h>
#include <stddef.h>

/* The heap's rule holds but for entry `i`, which may belong further down. */
static inline void heap_sift(size_t *heap, size_t n, size_t i,
			     bool (*is_before)(const void *arg, size_t a, size_t b),
			     const void *arg)
{
	for (;;) {
		size_t least = i, swap = heap[i];

		for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
			if (is_before(arg, heap[child], heap[least]))
				least = child;
		if (least == i)
			return;
		heap[i] = heap[least];
		heap[least] = swap;
		i = least;
	}
}

/* Any numbers become a heap. */
static inline void heap_make(size_t *heap, size_t n,
			     bool (*is_before)(const void *arg, size_t a, size_t b),
			     const void *arg)
{
	for (size_t i = n; i-- > 0;)
		heap_sift(heap, n, i, is_before, arg);
}

#endif
