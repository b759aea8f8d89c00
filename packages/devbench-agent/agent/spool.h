/* A command's output until the host has it: all streams in one count of bytes, in blocks from a shared,
 * bounded pool. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

#define SPOOL_BLOCKS (SPOOL_MAX / SPOOL_BLOCK + 2u)

struct spool {
    uint64_t first; /* oldest byte kept */
    uint64_t next;  /* count of all bytes ever accepted */
    uint32_t capacity;
    uint32_t segment_head, segment_count;
    uint64_t *segments; /* ring of start << 2 | (stream - 1) */
    uint8_t *blocks[SPOOL_BLOCKS];
};

void spool_limit(uint64_t total_bytes);
void spool_init(struct spool *s, uint32_t capacity);
void spool_free(struct spool *s);
/* Where to put the next bytes of a stream; *room is 0 (and the result NULL) when the spool is full. */
uint8_t *spool_room(struct spool *s, uint8_t stream, size_t *room);
void spool_commit(struct spool *s, uint8_t stream, size_t n);
/* The bytes from offset (first <= offset < next): one run of one stream. */
const uint8_t *spool_peek(const struct spool *s, uint64_t offset, uint8_t *stream, size_t *n);
/* Forget everything before offset. */
void spool_forget(struct spool *s, uint64_t offset);
/* Forget the oldest block's worth. */
void spool_drop_oldest(struct spool *s);
