/*
 * Files of segments as bytes, for the targets that read them: small histories of a made-up machine,
 * open and sealed, as they are written and with payloads that are not compressed.
 */
#ifndef MEMHIST_TESTS_FUZZ_IMAGES_H
#define MEMHIST_TESTS_FUZZ_IMAGES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Image number `n`, from 0: its bytes, freed by the caller. NULL behind the last one. */
uint8_t *image_make(unsigned n, size_t *ret_len, bool *ret_sealed);
/* Make the checksums of all frames right. */
void image_mend(uint8_t *bytes, size_t len);

#endif
