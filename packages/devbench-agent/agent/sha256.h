/* SHA-256 and HMAC (FIPS 180-4, RFC 2104), and comparison in constant time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SHA256_BYTES 32u

struct sha256 {
    uint32_t state[8];
    uint64_t total;
    uint8_t block[64];
};
void sha256_init(struct sha256 *s);
void sha256_add(struct sha256 *s, const void *data, size_t n);
void sha256_end(struct sha256 *s, uint8_t out[SHA256_BYTES]);
void hmac_sha256(const uint8_t key[32], const char *label, const uint8_t a[32], const uint8_t b[32],
                 uint8_t out[SHA256_BYTES]);
bool equal_in_constant_time(const uint8_t *a, const uint8_t *b, size_t n);
