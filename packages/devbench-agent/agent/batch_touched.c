/* Which paths a batch's earlier operations change, as a table of hashes: an accident only means that an operation is
 * looked at when its turn comes instead of before. */
#include <stdint.h>
#include <string.h>

#include "batch.h"
#include "util.h"

#define PER_OPERATION 4u
#define CHILD 0x9e3779b9u /* marks "something in this folder" */
#define SLOTS_MIN 16u

static uint32_t mixed(uint32_t hash) { return hash == 0 ? 1 : hash; }

static uint32_t hash_of(const char *p, size_t n, uint32_t seed) {
    uint32_t h = 2166136261u ^ seed;
    for (size_t i = 0; i < n; i++) h = (h ^ (uint8_t)p[i]) * 16777619u;
    return mixed(h);
}

bool touched_init(struct batch *b) {
    b->slots = SLOTS_MIN;
    while (b->slots < b->count * PER_OPERATION) b->slots *= 2;
    b->touched = private_map((size_t)b->slots * sizeof *b->touched);
    return b->touched != NULL;
}

void touched_free(struct batch *b) {
    private_unmap(b->touched, (size_t)b->slots * sizeof *b->touched);
    b->touched = NULL;
}

static bool has(const struct batch *b, uint32_t hash) {
    for (uint32_t i = hash;; i++) {
        uint32_t found = b->touched[i & (b->slots - 1)];
        if (found == hash || found == 0) return found != 0;
    }
}

static void put(struct batch *b, uint32_t hash) {
    uint32_t i = hash;
    if (b->blind) return;
    for (; b->touched[i & (b->slots - 1)] != 0; i++)
        if (b->touched[i & (b->slots - 1)] == hash) return;
    b->touched[i & (b->slots - 1)] = hash;
    b->blind = ++b->used > b->slots - b->slots / 4;
}

static void add_path(struct batch *b, const char *path) {
    const char *slash = strrchr(path, '/');
    put(b, hash_of(path, strlen(path), 0));
    put(b, hash_of(path, slash == NULL ? 0 : (size_t)(slash - path), CHILD));
}

void touched_add(struct batch *b) {
    add_path(b, record_path(&b->r));
    if (b->r.kind == B_MOVE) add_path(b, record_other(&b->r));
}

static bool path_before(const struct batch *b, const char *path) {
    size_t n = strlen(path);
    if (has(b, hash_of(path, n, CHILD))) return true;
    for (size_t i = 1; i <= n; i++)
        if ((path[i] == '/' || i == n) && has(b, hash_of(path, i, 0))) return true;
    return false;
}

bool touched_before(const struct batch *b) {
    if (b->blind) return true;
    return path_before(b, record_path(&b->r)) || (b->r.kind == B_MOVE && path_before(b, record_other(&b->r)));
}
