/* Reading folders in batches, without the C library's buffers. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LISTING_BYTES 16384

struct listing {
    _Alignas(8) uint8_t bytes[LISTING_BYTES];
    size_t n, at;
    uint8_t type; /* DT_… of the last name given */
    int64_t after; /* where the folder's position is after the last name given */
};

bool listing_read(struct listing *l, int fd); /* n is 0 at the end; errno on failure */
const char *listing_next(struct listing *l);  /* "." and ".." left out; NULL when the batch is used up */
