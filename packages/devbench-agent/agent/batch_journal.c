/* The journal of a batch: its operations, one after the other, readable from both ends. */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "roots.h"

#define HEAD offsetof(struct record, text)
#define TAIL sizeof(uint32_t)

void staged_name(uint32_t index, char name[STAGED_NAME]) { (void)snprintf(name, STAGED_NAME, "%u", index); }
void kept_name(uint32_t index, char name[STAGED_NAME]) { (void)snprintf(name, STAGED_NAME, "%u.old", index); }

static bool bad(void) {
    errno = EIO;
    return false;
}

static bool whole_write(int fd, const void *p, size_t n, uint64_t at) {
    ssize_t done = pwrite(fd, p, n, (off_t)at);
    if (done >= 0 && (size_t)done != n) errno = ENOSPC;
    return done >= 0 && (size_t)done == n;
}

static char *add(char *to, const char *p, size_t n) {
    memcpy(to, p, n);
    to[n] = 0;
    return to + n + 1;
}

bool journal_append(struct batch *b, const char *path, size_t path_n, const char *other, size_t other_n, const char *match,
                    size_t match_n) {
    struct record *r = &b->r;
    char *end = add(add(add(r->text, path, path_n), other, other_n), match, match_n);
    r->path_n = (uint16_t)path_n;
    r->other_n = (uint16_t)other_n;
    r->match_n = (uint16_t)match_n;
    r->bytes = (uint32_t)(HEAD + (size_t)(end - r->text) + TAIL);
    memcpy(end, &r->bytes, TAIL);
    if (!whole_write(b->journal, r, r->bytes, b->end)) return false;
    b->end += r->bytes;
    return true;
}

/* A journal that somebody moved here from another root is about that one, and the staging folder is not there. */
static bool is_within(const struct batch *b) {
    const char *rest;
    int root = roots_of(record_path(&b->r), &rest);
    return root >= 0 && (size_t)root == b->root && (b->r.kind != B_MOVE || roots_of(record_other(&b->r), &rest) == root);
}

bool journal_load(struct batch *b, uint64_t at) {
    struct record *r = &b->r;
    if (at >= b->end) return bad();
    ssize_t n = pread(b->journal, r, sizeof *r, (off_t)at);
    if (n < (ssize_t)(HEAD + 3 + TAIL)) return n < 0 ? false : bad();
    size_t texts = (size_t)r->path_n + r->other_n + r->match_n + 3;
    bool fits = r->path_n <= PATH_BYTES && r->other_n <= PATH_BYTES && r->match_n <= ETAG_MAX &&
                r->bytes == HEAD + texts + TAIL && (ssize_t)r->bytes <= n;
    bool closed = fits && r->text[r->path_n] == 0 && r->text[r->path_n + 1 + r->other_n] == 0 && r->text[texts - 1] == 0;
    bool known = closed && r->kind >= B_WRITE && r->kind < B_KINDS && r->index < BATCH_OPERATIONS_MAX;
    if (!known || strlen(record_path(r)) != r->path_n || strlen(record_other(r)) != r->other_n) return bad();
    if (b->recovering && !is_within(b)) return bad();
    b->at = at;
    return true;
}

bool journal_previous(struct batch *b) {
    uint32_t bytes = 0;
    errno = 0;
    if (b->at == 0) return false;
    if (b->at < TAIL || pread(b->journal, &bytes, TAIL, (off_t)(b->at - TAIL)) != (ssize_t)TAIL) return bad();
    return bytes > b->at ? bad() : journal_load(b, b->at - bytes);
}

bool journal_note(struct batch *b, const struct before *before) {
    b->r.before = *before;
    b->r.before.noted = 1;
    return whole_write(b->journal, &b->r.before, sizeof b->r.before, b->at + offsetof(struct record, before));
}
