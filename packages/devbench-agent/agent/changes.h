/* What changed beneath a folder: numbered from 1, kept as far as memory allows. What is fresh can still be merged with what
 * follows, until it is published. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum change_kind { CHANGE_DEAD, CHANGE_CREATED, CHANGE_MODIFIED, CHANGE_DELETED, CHANGE_MOVED };

struct change {
    uint32_t bytes; /* of this record with its paths */
    uint32_t hash;  /* of the path */
    uint16_t path_n, from_n;
    uint8_t kind, folder;
};

struct changes {
    uint8_t *map;
    size_t fresh; /* where what is not published begins */
    size_t end;
    uint64_t first, next; /* numbers of the oldest that is kept, and of the next that is published */
    uint64_t fresh_since; /* NEVER: nothing is fresh */
};

bool changes_open(struct changes *l);
void changes_close(struct changes *l);
void changes_add(struct changes *l, enum change_kind kind, bool folder, const char *path, const char *from, uint64_t now);
void changes_lose(struct changes *l); /* something was missed: no earlier number is worth anything */
bool changes_publish(struct changes *l); /* whether anything was */
bool changes_covers(const struct changes *l, uint64_t after); /* whether all that came after this number is here */
/* The change with a number, and where its paths begin; NULL beyond the last. `at` remembers the place, 0 at first. */
const uint8_t *changes_get(const struct changes *l, uint64_t number, size_t *at, struct change *into);
