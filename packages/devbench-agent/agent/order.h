/* What START asks for, laid out so that a keeper can begin at once. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "channel.h"
#include "launch.h"
#include "util.h"

/* Of a terminal, in characters; nothing is 0 unless there is none. */
struct size {
    uint16_t columns, rows;
};

/* Everything that the keeper needs, in one mapping. */
struct order {
    void *map;
    size_t map_bytes;
    char *text; /* where the next string goes */
    char **pointers;
    uint32_t *table; /* environment by name: index + 1 */
    size_t table_mask;
    size_t env_count;
    struct str key;
    uint32_t flags, grace_ms, spool_bytes;
    uint64_t timeout_ms, window;
    struct size size;
    struct launch launch;
};

enum parsed { PARSED, PARSE_MALFORMED, PARSE_INVALID, PARSE_NO_MEMORY };

/* `o->map` must be NULL before; `key` then points into the frame. */
enum parsed order_parse(struct order *o, const struct frame *f);
/* Wipes it: arguments and environment may hold secrets. */
void order_drop(struct order *o);
