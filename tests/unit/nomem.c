/* A machine without memory. */
#include "tests/unit/nomem.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static unsigned chosen, count;
static size_t largest;
static bool failed, paused;

void nomem_begin(void)
{
	chosen = 0;
	failed = true;
}

bool nomem_next(void)
{
	bool more = failed;

	chosen++;
	count = 0;
	largest = 0;
	failed = paused = false;
	return more;
}

void nomem_watch(void)
{
	nomem_begin();
	nomem_next();
	chosen = 0;
}

bool nomem_failed(void)
{
	return failed;
}

void nomem_pause(void)
{
	paused = true;
}

void nomem_resume(void)
{
	paused = false;
}

unsigned nomem_count(void)
{
	return count;
}

size_t nomem_largest(void)
{
	return largest;
}

static bool refuse(size_t size)
{
	if (!paused && size > largest)
		largest = size;
	if (paused || ++count != chosen)
		return false;
	failed = true;
	errno = ENOMEM;
	return true;
}

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);
void *__wrap_reallocarray(void *old, size_t n, size_t size);
char *__wrap_strdup(const char *text);
char *__wrap_strndup(const char *text, size_t n);

void *__wrap_malloc(size_t size)
{
	return refuse(size) ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return refuse(n * size) ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
	return refuse(size) ? NULL : __real_realloc(old, size);
}

void *__wrap_reallocarray(void *old, size_t n, size_t size)
{
	size_t bytes;

	if (__builtin_mul_overflow(n, size, &bytes) || refuse(bytes))
		return NULL;
	return __real_realloc(old, bytes);
}

char *__wrap_strndup(const char *text, size_t n)
{
	size_t len = strnlen(text, n);
	char *copy = refuse(len + 1) ? NULL : __real_malloc(len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

char *__wrap_strdup(const char *text)
{
	return __wrap_strndup(text, strlen(text));
}
