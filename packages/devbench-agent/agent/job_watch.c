/* WATCH: what changed after a number, waiting for it when there is nothing yet. */
#include <errno.h>
#include <string.h>

#include "job.h"
#include "observer.h"
#include "util.h"

enum { WATCH_OPEN, WATCH_BASELINE, WATCH_WAIT };
enum { CHANGES_RESCAN = 1, CHANGES_PARTIAL = 2 };
#define FRAME_TARGET (32u * 1024u)

/* Of the job: offset is the observer's id, done the last number that was seen, mode the debounce, limit the deadline. */
bool watch_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->flags = rd_u32(r);
    j->offset = rd_u64(r);
    j->done = rd_u64(r);
    uint32_t wait_ms = rd_u32(r);
    j->mode = rd_u32(r);
    j->size = rd_u32(r);
    if (!parsed || r->bad || (j->flags & ~(uint32_t)OBSERVE_ALL) != 0) return false;
    j->limit = now_ns() + (wait_ms < WATCH_WAIT_MAX_MS ? wait_ms : WATCH_WAIT_MAX_MS) * NS_PER_MS;
    return true;
}

static void trim(char *path) { /* "a//b/." stays as it is; only the end matters for what is appended */
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') path[--n] = 0;
    if (strcmp(path, ".") == 0) path[0] = 0;
}

static enum step open_or_find(struct job *j) {
    if (j->size < 1 || j->size > CHANGES_LIMIT || j->mode > DEBOUNCE_MAX_MS) return job_fail(j, EINVAL);
    trim(j->path);
    struct observer *o = observer_find(j->offset, j->path, j->flags);
    j->stage = WATCH_WAIT;
    if (o == NULL) {
        j->more = j->offset != 0; /* it was another's cursor, or came too late: whoever has it must look anew */
        o = observer_open(j->path, j->flags, j->mode);
        if (o == NULL) return job_fail(j, errno);
        j->offset = o->id;
        j->stage = WATCH_BASELINE;
    }
    observer_wanted(o);
    return STEP_MORE;
}

static void set_head(struct job *j, size_t at, uint64_t last, uint8_t flags, uint16_t n) {
    uint8_t *p = j->channel->out_bytes + at;
    for (int i = 0; i < 8; i++) p[8 + i] = (uint8_t)(last >> (56 - 8 * i));
    p[16] = flags;
    p[17] = (uint8_t)(n >> 8);
    p[18] = (uint8_t)n;
}

static void put_change(struct channel *c, const struct change *change, const uint8_t *paths) {
    put_u8(c, change->kind);
    put_u8(c, change->folder ? 2 : 1);
    put_u32(c, change->path_n);
    put_raw(c, paths, change->path_n);
    put_u32(c, change->from_n);
    put_raw(c, paths + change->path_n, change->from_n);
}

static enum step answer(struct job *j, struct observer *o, bool rescan) {
    struct channel *c = j->channel;
    struct change change;
    const uint8_t *paths;
    uint16_t n = 0;
    size_t place = 0;
    uint64_t last = rescan ? o->changes.next - 1 : j->done;
    observer_wanted(o);
    frame_begin(c, F_CHANGES, j->request);
    size_t begin = c->out_end;
    put_u64(c, o->id);
    put_u64(c, 0);
    put_u8(c, 0);
    put_u16(c, 0);
    while (n < j->size && c->out_end - begin < FRAME_TARGET && !c->broken) {
        paths = changes_get(&o->changes, last + 1, &place, &change);
        if (paths == NULL) break;
        put_change(c, &change, paths);
        last++;
        n++;
    }
    if (c->broken) return STEP_DONE;
    set_head(j, begin, last, (uint8_t)((rescan ? CHANGES_RESCAN : 0) | (o->partial ? CHANGES_PARTIAL : 0)), n);
    frame_end(c);
    return STEP_DONE;
}

static enum step wait_for_news(struct job *j) {
    struct observer *o = observer_find(j->offset, j->path, j->flags);
    if (o == NULL) { /* what it watched has gone: begin anew, or say what is there instead */
        j->stage = WATCH_OPEN;
        return STEP_MORE;
    }
    if (!o->baseline) return STEP_WAIT;
    if (j->stage == WATCH_BASELINE) {
        j->done = o->changes.next - 1;
        return answer(j, o, j->more);
    }
    if (!changes_covers(&o->changes, j->done)) return answer(j, o, true);
    if (j->done + 1 < o->changes.next || now_ns() >= j->limit) return answer(j, o, false);
    j->wake = j->limit;
    return STEP_WAIT;
}

enum step watch_step(struct job *j) { return j->stage == WATCH_OPEN ? open_or_find(j) : wait_for_news(j); }
