#include "search.h"

#include <errno.h>
#include <string.h>

#include "resolve.h"

static unsigned running;

void *search_parse(struct job *j, struct rd *r, size_t bytes) {
    j->map_bytes = bytes;
    j->map = private_map(bytes);
    struct search *s = j->map;
    bool parsed = job_path(j, r);
    if (s == NULL) {
        j->stage = UINT32_MAX; /* the request fails, not the channel */
        r->n = 0;
        return NULL;
    }
    parsed = walk_parse(&s->walk, r, &s->invalid) && parsed;
    s->look = rd_u64(r);
    return parsed && !r->bad ? s : NULL;
}

void search_drop(struct job *j) {
    struct search *s = j->map;
    if (s == NULL) return;
    walk_close(&s->walk);
    running -= s->running;
}

enum step search_begin(struct job *j, bool or_file) {
    struct search *s = j->map;
    if (s->invalid || s->look == 0) return job_fail(j, EINVAL);
    if (!s->running && running >= SEARCHES_MAX) {
        j->wake = now_ns() + NS_PER_MS;
        return STEP_WAIT;
    }
    running += !s->running;
    s->running = true;
    s->pulse = now_ns();
    int fd = resolve_directory(j->path);
    if (fd < 0 && errno == ENOTDIR && or_file) {
        j->fd = resolve_file(j->path, &j->st);
        return j->fd < 0 ? job_fail(j, errno) : STEP_MORE;
    }
    if (fd < 0) return job_fail(j, errno);
    return walk_begin(&s->walk, fd, j->path) == 0 ? STEP_MORE : job_fail(j, errno);
}

uint64_t search_until(void) { return now_ns() + SEARCH_STEP_US * 1000u / (running > 1 ? running : 1); }

void search_pulse(struct job *j, enum frame_type type, uint64_t now) {
    struct search *s = j->map;
    if (now - s->pulse < SEARCH_PULSE_MS * NS_PER_MS) return;
    frame_begin(j->channel, type, j->request);
    put_u16(j->channel, 0);
    frame_end(j->channel);
    s->pulse = now;
}

void search_counts(struct job *j) {
    const struct walk *w = &((struct search *)j->map)->walk;
    put_u64(j->channel, w->looked);
    put_u32(j->channel, w->unreadable);
    put_u32(j->channel, w->deep);
    put_u32(j->channel, w->ignores.left_out);
}
