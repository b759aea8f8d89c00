#include "spool.h"

#include <string.h>

#include "util.h"

static uint64_t pool_max = SPOOL_TOTAL / SPOOL_BLOCK;
static uint64_t pool_used; /* blocks in use beyond the first of each spool */
static uint8_t *cache[SPOOL_CACHE];
static unsigned cached;

void spool_limit(uint64_t total_bytes) { pool_max = total_bytes / SPOOL_BLOCK; }

void spool_init(struct spool *s, uint32_t capacity) {
    memset(s, 0, sizeof *s);
    s->capacity = capacity;
}

static uint8_t **slot(struct spool *s, uint64_t offset) { return &s->blocks[offset / SPOOL_BLOCK % SPOOL_BLOCKS]; }

static unsigned blocks_held(const struct spool *s) {
    unsigned n = 0;
    for (uint64_t b = s->first / SPOOL_BLOCK; b <= s->next / SPOOL_BLOCK; b++) n += s->blocks[b % SPOOL_BLOCKS] != NULL;
    return n;
}

static uint8_t *block_take(bool counted) {
    if (counted && pool_used >= pool_max) return NULL;
    uint8_t *b = cached > 0 ? cache[--cached] : private_map(SPOOL_BLOCK);
    if (b != NULL && counted) pool_used++;
    return b;
}

static void block_give(uint8_t *b, bool counted) {
    if (counted) pool_used--;
    if (cached < SPOOL_CACHE) cache[cached++] = b;
    else private_unmap(b, SPOOL_BLOCK);
}

static void release(struct spool *s, uint64_t offset) {
    uint8_t **b = slot(s, offset);
    if (*b == NULL) return;
    block_give(*b, blocks_held(s) > 1);
    *b = NULL;
}

void spool_free(struct spool *s) {
    for (uint64_t b = s->first / SPOOL_BLOCK; b <= s->next / SPOOL_BLOCK; b++) release(s, b * SPOOL_BLOCK);
    if (s->segments != NULL) private_unmap(s->segments, SEGMENTS_MAX * sizeof *s->segments);
    s->segments = NULL;
    s->first = s->next;
    s->segment_count = 0;
}

static uint64_t segment(const struct spool *s, uint32_t i) {
    return s->segments[(s->segment_head + i) % SEGMENTS_MAX];
}

static bool switches(const struct spool *s, uint8_t stream) {
    return s->segment_count == 0 || (segment(s, s->segment_count - 1) & 3) != (uint64_t)(stream - 1);
}

uint8_t *spool_room(struct spool *s, uint8_t stream, size_t *room) {
    *room = 0;
    if (s->segments == NULL) s->segments = private_map(SEGMENTS_MAX * sizeof *s->segments);
    if (s->segments == NULL || (switches(s, stream) && s->segment_count == SEGMENTS_MAX)) return NULL;
    uint64_t kept = s->next - s->first;
    if (kept >= s->capacity) return NULL;
    uint8_t **b = slot(s, s->next);
    if (*b == NULL) *b = block_take(blocks_held(s) > 0);
    if (*b == NULL) return NULL;
    size_t in_block = SPOOL_BLOCK - s->next % SPOOL_BLOCK;
    size_t left = (size_t)(s->capacity - kept);
    *room = in_block < left ? in_block : left;
    return *b + s->next % SPOOL_BLOCK;
}

void spool_commit(struct spool *s, uint8_t stream, size_t n) {
    if (n == 0) return;
    if (switches(s, stream)) {
        s->segments[(s->segment_head + s->segment_count) % SEGMENTS_MAX] = s->next << 2 | (uint64_t)(stream - 1);
        s->segment_count++;
    }
    s->next += n;
}

/* The last segment that starts at or before offset. */
static uint32_t segment_at(const struct spool *s, uint64_t offset) {
    uint32_t low = 0;
    uint32_t high = s->segment_count - 1;
    while (low < high) {
        uint32_t middle = low + (high - low + 1) / 2;
        if (segment(s, middle) >> 2 <= offset) low = middle;
        else high = middle - 1;
    }
    return low;
}

const uint8_t *spool_peek(const struct spool *s, uint64_t offset, uint8_t *stream, size_t *n) {
    uint32_t i = segment_at(s, offset);
    uint64_t end = i + 1 < s->segment_count ? segment(s, i + 1) >> 2 : s->next;
    uint64_t block_end = (offset / SPOOL_BLOCK + 1) * SPOOL_BLOCK;
    *stream = (uint8_t)((segment(s, i) & 3) + 1);
    *n = (size_t)((end < block_end ? end : block_end) - offset);
    return s->blocks[offset / SPOOL_BLOCK % SPOOL_BLOCKS] + offset % SPOOL_BLOCK;
}

void spool_forget(struct spool *s, uint64_t offset) {
    if (offset > s->next) offset = s->next;
    if (offset <= s->first) return;
    if (offset == s->next) {
        /* Empty: the last block goes too, so that an idle command holds nothing. */
        for (uint64_t b = s->first / SPOOL_BLOCK; b < s->next / SPOOL_BLOCK; b++) release(s, b * SPOOL_BLOCK);
        release(s, s->next);
        s->first = offset;
        s->segment_count = 0;
        return;
    }
    while (s->segment_count > 1 && segment(s, 1) >> 2 <= offset) {
        s->segment_head = (s->segment_head + 1) % SEGMENTS_MAX;
        s->segment_count--;
    }
    uint64_t keep = offset / SPOOL_BLOCK;
    for (uint64_t b = s->first / SPOOL_BLOCK; b < keep; b++) release(s, b * SPOOL_BLOCK);
    s->first = offset;
}

void spool_drop_oldest(struct spool *s) {
    uint64_t to = (s->first / SPOOL_BLOCK + 1) * SPOOL_BLOCK;
    if (s->segment_count == SEGMENTS_MAX && segment(s, 1) >> 2 < to) to = segment(s, 1) >> 2;
    spool_forget(s, to);
}
