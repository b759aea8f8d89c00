/* Characters of UTF-8. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define UTF8_BAD 0x110000u /* a byte that is none has a number of its own from here on */

/* The character at s (n > 0 bytes are there) into *c; its length. */
size_t utf8_take(const char *s, size_t n, uint32_t *c);
