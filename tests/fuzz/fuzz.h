/*
 * What a target brings. One file per target: it takes any bytes, and says bytes that make sense to
 * it, made by the tree's own writers, for the fuzzer to begin with.
 *
 * A target is built in two ways. As part of `make check` with replay.c: its seeds, the files of its
 * folder below corpus/, and some thousand changes of each. By `make fuzz` with libFuzzer, where
 * checksums are not looked at (MH_FUZZING), so that changes get past them.
 */
#ifndef MEMHIST_TESTS_FUZZ_FUZZ_H
#define MEMHIST_TESTS_FUZZ_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* libFuzzer's names. A fault is a crash. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t len);
int LLVMFuzzerInitialize(int *argc, char ***argv);

/* Seed number `n`, from 0: its bytes, freed by the caller, and *ret_len; NULL behind the last. */
uint8_t *fuzz_seed(unsigned n, size_t *ret_len);
/* Called on what the seeds and files became by changes, where checksums are looked at: make the
 * sums right again, for a part of them. */
void fuzz_mend(uint8_t *bytes, size_t len);

/* For seeds: a copy of so many bytes. */
uint8_t *fuzz_copy(const void *bytes, size_t len, size_t *ret_len);
/* Where `what` must hold, in all builds. */
#define fuzz_assert(what) ((what) ? (void)0 : fuzz_fail(__FILE__, __LINE__, #what))
_Noreturn void fuzz_fail(const char *file, int line, const char *what);

#endif
