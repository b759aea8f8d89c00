#include "changes.h"

#include <string.h>

#include "limits.h"
#include "util.h"

#define SPARE (CHANGES_BYTES / 4) /* how much is made free at once */

bool changes_open(struct changes *l) {
    memset(l, 0, sizeof *l);
    l->first = l->next = 1;
    l->fresh_since = NEVER;
    l->map = private_map(CHANGES_BYTES);
    return l->map != NULL;
}

void changes_close(struct changes *l) {
    private_unmap(l->map, CHANGES_BYTES);
    l->map = NULL;
}

static uint32_t hash_of(const char *text) {
    uint32_t h = 2166136261u;
    for (; *text != 0; text++) h = (h ^ (uint8_t)*text) * 16777619u;
    return h;
}

static struct change at_place(const struct changes *l, size_t at) {
    struct change c;
    memcpy(&c, l->map + at, sizeof c);
    return c;
}

static void put_place(struct changes *l, size_t at, const struct change *c) { memcpy(l->map + at, c, sizeof *c); }

/* The last fresh record of a path. False when there is none. */
static bool last_of(const struct changes *l, const char *path, size_t *where, struct change *into) {
    uint32_t hash = hash_of(path);
    size_t n = strlen(path);
    bool found = false;
    for (size_t at = l->fresh; at < l->end;) {
        struct change c = at_place(l, at);
        if (c.kind != CHANGE_DEAD && c.hash == hash && c.path_n == n && memcmp(l->map + at + sizeof c, path, n) == 0) {
            *where = at;
            *into = c;
            found = true;
        }
        at += c.bytes;
    }
    return found;
}

static void become(struct changes *l, size_t at, struct change *c, enum change_kind kind) {
    c->kind = (uint8_t)kind;
    put_place(l, at, c);
}

/* Whether what is fresh tells it already, or does now. */
static bool merged(struct changes *l, enum change_kind kind, bool folder, const char *path) {
    struct change c;
    size_t at;
    if (!last_of(l, path, &at, &c) || c.folder != folder || c.kind == CHANGE_MOVED) return false;
    if (kind == CHANGE_DELETED && c.kind == CHANGE_CREATED) become(l, at, &c, CHANGE_DEAD);
    else if (kind == CHANGE_DELETED && c.kind == CHANGE_MODIFIED) become(l, at, &c, CHANGE_DELETED);
    else if (kind == CHANGE_CREATED && c.kind == CHANGE_DELETED && !folder) become(l, at, &c, CHANGE_MODIFIED);
    else return (kind == CHANGE_MODIFIED && c.kind != CHANGE_DELETED) || kind == c.kind;
    return true;
}

/* A new thing that is moved at once was created where it is now. */
static enum change_kind settled_move(struct changes *l, bool folder, const char *from) {
    struct change c;
    size_t at;
    if (folder || !last_of(l, from, &at, &c) || c.kind != CHANGE_CREATED) return CHANGE_MOVED;
    become(l, at, &c, CHANGE_DEAD);
    return CHANGE_CREATED;
}

static void forget_oldest(struct changes *l) {
    size_t at = 0;
    while (at < l->fresh && at < SPARE) {
        at += at_place(l, at).bytes;
        l->first++;
    }
    memmove(l->map, l->map + at, l->end - at);
    l->fresh -= at;
    l->end -= at;
}

void changes_add(struct changes *l, enum change_kind kind, bool folder, const char *path, const char *from, uint64_t now) {
    if (kind == CHANGE_MOVED) kind = settled_move(l, folder, from);
    if (kind != CHANGE_MOVED && merged(l, kind, folder, path)) return;
    struct change c = {.hash = hash_of(path), .path_n = (uint16_t)strlen(path), .kind = (uint8_t)kind, .folder = folder};
    c.from_n = kind == CHANGE_MOVED ? (uint16_t)strlen(from) : 0;
    c.bytes = (uint32_t)(sizeof c + c.path_n + c.from_n);
    if (l->end + c.bytes > CHANGES_BYTES) forget_oldest(l);
    if (l->end + c.bytes > CHANGES_BYTES) { /* all of it is fresh: too much at once */
        changes_lose(l);
        return;
    }
    put_place(l, l->end, &c);
    memcpy(l->map + l->end + sizeof c, path, c.path_n);
    memcpy(l->map + l->end + sizeof c + c.path_n, from, c.from_n);
    l->end += c.bytes;
    if (l->fresh_since == NEVER) l->fresh_since = now;
}

void changes_lose(struct changes *l) {
    l->fresh = l->end = 0;
    l->fresh_since = NEVER;
    l->first = ++l->next;
}

bool changes_publish(struct changes *l) {
    size_t to = l->fresh;
    bool any = false;
    for (size_t at = l->fresh; at < l->end;) {
        struct change c = at_place(l, at);
        if (c.kind != CHANGE_DEAD) {
            memmove(l->map + to, l->map + at, c.bytes);
            to += c.bytes;
            l->next++;
            any = true;
        }
        at += c.bytes;
    }
    l->fresh = l->end = to;
    l->fresh_since = NEVER;
    return any;
}

bool changes_covers(const struct changes *l, uint64_t after) { return after < l->next && after + 1 >= l->first; }

const uint8_t *changes_get(const struct changes *l, uint64_t number, size_t *at, struct change *into) {
    if (number < l->first || number >= l->next) return NULL;
    if (*at == 0)
        for (uint64_t n = l->first; n < number; n++) *at += at_place(l, *at).bytes;
    *into = at_place(l, *at);
    const uint8_t *paths = l->map + *at + sizeof *into;
    *at += into->bytes;
    return paths;
}
