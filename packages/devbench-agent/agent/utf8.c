#include "utf8.h"

static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};

size_t utf8_take(const char *s, size_t n, uint32_t *c) {
    uint8_t b = (uint8_t)s[0];
    size_t size = b < 0x80 ? 1 : b < 0xC2 ? 0 : b < 0xE0 ? 2 : b < 0xF0 ? 3 : b < 0xF5 ? 4 : 0;
    *c = size == 1 ? b : UTF8_BAD + b;
    if (size < 2 || size > n) return 1;
    uint32_t v = b & (0x7Fu >> size);
    for (size_t i = 1; i < size; i++) {
        if (((uint8_t)s[i] & 0xC0u) != 0x80u) return 1;
        v = v << 6 | ((uint8_t)s[i] & 0x3Fu);
    }
    if (v < least[size] || v > 0x10FFFFu || (v >= 0xD800u && v <= 0xDFFFu)) return 1;
    *c = v;
    return size;
}
