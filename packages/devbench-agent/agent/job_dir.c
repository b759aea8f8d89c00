/* DIR: a page of a folder in byte order, in memory bounded by the page. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "job.h"
#include "listing.h"
#include "resolve.h"
#include "util.h"

enum { DIR_OPEN, DIR_GATHER, DIR_SEND };

#define FRAME_TARGET (32u * 1024u)

typedef char slot[NAME_BYTES + 1];

bool dir_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    struct str after = rd_str(r, NAME_BYTES);
    j->size = rd_u32(r);
    if (r->bad) return false;
    memcpy(j->inner, after.p, after.n);
    j->inner[after.n] = 0;
    return parsed;
}

static enum step open_folder(struct job *j) {
    if (j->size < 1 || j->size > DIR_LIMIT) return job_fail(j, EINVAL);
    j->fd = resolve_directory(j->path);
    if (j->fd < 0) return job_fail(j, errno);
    j->map_bytes = (size_t)j->size * sizeof(slot);
    j->map = private_map(j->map_bytes);
    if (j->map == NULL) return job_fail(j, ENOMEM);
    j->stage = DIR_GATHER;
    return STEP_MORE;
}

/* The page is a heap with the greatest name on top while it is gathered. */
static void swap(slot *a, slot *b) {
    slot t;
    memcpy(t, *a, sizeof t);
    memcpy(*a, *b, sizeof t);
    memcpy(*b, t, sizeof t);
}

static void sift_up(slot *heap, size_t i) {
    for (; i > 0 && strcmp(heap[i], heap[(i - 1) / 2]) > 0; i = (i - 1) / 2) swap(&heap[i], &heap[(i - 1) / 2]);
}

static void sift_down(slot *heap, size_t n) {
    for (size_t i = 0;;) {
        size_t big = i;
        for (size_t child = 2 * i + 1; child <= 2 * i + 2 && child < n; child++)
            if (strcmp(heap[child], heap[big]) > 0) big = child;
        if (big == i) return;
        swap(&heap[i], &heap[big]);
        i = big;
    }
}

static void add(struct job *j, const char *name) {
    slot *heap = j->map;
    if (strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0 || strcmp(name, j->inner) <= 0) return;
    if (strlen(name) > NAME_BYTES) return;
    if (j->count < j->size) {
        memcpy(heap[j->count], name, strlen(name) + 1);
        sift_up(heap, j->count++);
        return;
    }
    j->more = true;
    if (strcmp(name, heap[0]) >= 0) return;
    memcpy(heap[0], name, strlen(name) + 1);
    sift_down(heap, j->count);
}

static int by_bytes(const void *a, const void *b) { return strcmp(a, b); }

static enum step gather(struct job *j) {
    struct listing l;
    const char *name;
    if (!listing_read(&l, j->fd)) return job_fail(j, errno);
    if (l.n == 0) {
        qsort(j->map, j->count, sizeof(slot), by_bytes);
        j->stage = DIR_SEND;
        return STEP_MORE;
    }
    while ((name = listing_next(&l)) != NULL) add(j, name);
    return STEP_MORE;
}

static void set_head(struct job *j, size_t at, bool last, uint16_t n) {
    uint8_t *p = j->channel->out_bytes + at;
    p[0] = last;
    p[1] = j->more;
    p[2] = (uint8_t)(n >> 8);
    p[3] = (uint8_t)n;
}

static enum step send_page(struct job *j) {
    struct channel *c = j->channel;
    slot *names = j->map;
    uint16_t n = 0;
    bool settled = true;
    frame_begin(c, F_ENTRIES, j->request);
    put_u32(c, 0);
    size_t begin = c->out_end;
    for (; j->next < j->count && c->out_end - begin < FRAME_TARGET && !c->broken; j->next++) {
        struct stat st;
        if (fstatat(j->fd, names[j->next], &st, AT_SYMLINK_NOFOLLOW) != 0) continue; /* it has gone */
        settled = job_settle(j, &st);
        if (!settled) break;
        put_str(c, names[j->next]);
        put_stat(j, &st, j->fd, names[j->next]);
        n++;
    }
    if (c->broken) return STEP_DONE;
    bool last = j->next == j->count;
    if (n == 0 && !last) frame_drop(c);
    else {
        set_head(j, c->frame_at + HEADER_BYTES, last, n);
        frame_end(c);
    }
    return last ? STEP_DONE : settled ? STEP_MORE : STEP_WAIT;
}

enum step dir_step(struct job *j) {
    switch (j->stage) {
    case DIR_OPEN: return open_folder(j);
    case DIR_GATHER: return gather(j);
    default: return send_page(j);
    }
}
