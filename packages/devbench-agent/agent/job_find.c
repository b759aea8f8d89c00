/* FIND: a page of a tree. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "search.h"

enum { FIND_BEGIN, FIND_WALK };

#define FRAME_TARGET (32u * 1024u)

struct find {
    struct search search;
    uint8_t types;
    bool pending; /* the walk's entry is still to be told */
    char given[PATH_BYTES + 1];
};

bool find_parse(struct job *j, struct rd *r) {
    struct find *f = search_parse(j, r, sizeof *f);
    if (f == NULL) return j->stage == UINT32_MAX;
    f->types = rd_u8(r);
    j->size = rd_u32(r);
    return f->search.walk.flags <= (WALK_SKIP_HIDDEN | WALK_GITIGNORE);
}

static enum step end(struct job *j, const char *cursor) {
    struct channel *c = j->channel;
    frame_begin(c, F_FIND_END, j->request);
    put_u8(c, cursor != NULL);
    put_str(c, cursor == NULL ? "" : cursor);
    search_counts(j);
    frame_end(c);
    return STEP_DONE;
}

static bool wanted(const struct find *f, const struct walk *w) {
    unsigned bit = w->type == DT_REG ? 1 : w->type == DT_DIR ? 2 : w->type == DT_LNK ? 4 : 8;
    return (f->types & bit) != 0 && walk_included(w);
}

/* False: its etag does not rest yet. */
static bool tell(struct job *j, struct find *f, uint16_t *n) {
    const struct walk *w = &f->search.walk;
    struct stat st;
    if (fstatat(walk_folder(w), w->name, &st, AT_SYMLINK_NOFOLLOW) == 0) { /* else it has gone */
        if (!job_settle(j, &st)) return false;
        put_str(j->channel, walk_path(w));
        put_stat(j, &st, walk_folder(w), w->name);
        memcpy(f->given, walk_path(w), strlen(walk_path(w)) + 1);
        ++*n;
        j->count++;
    }
    f->pending = false;
    j->settle_until = 0;
    return true;
}

enum reached { GO_ON, FULL, LOOKED, OVER, FAILED, UNSETTLED };

static enum reached forward(struct job *j, struct find *f, uint16_t *n) {
    struct walk *w = &f->search.walk;
    if (!f->pending) {
        enum walk_got got = walk_next(w);
        if (got == WALK_END || got == WALK_FAILED) return got == WALK_END ? OVER : FAILED;
        f->pending = got == WALK_ENTRY && wanted(f, w);
    }
    if (f->pending && j->count == j->size) return FULL;
    if (f->pending && !tell(j, f, n)) return UNSETTLED;
    return w->looked >= f->search.look ? LOOKED : GO_ON;
}

static enum step walk_on(struct job *j, struct find *f) {
    struct channel *c = j->channel;
    uint64_t until = search_until();
    enum reached at = GO_ON;
    uint16_t n = 0;
    frame_begin(c, F_FOUND, j->request);
    put_u16(c, 0);
    for (unsigned i = 1; at == GO_ON && !c->broken && c->out_end - c->frame_at < FRAME_TARGET; i++) {
        at = forward(j, f, &n);
        if (i % 4 == 0 && now_ns() >= until) break;
    }
    if (c->broken) return STEP_DONE;
    uint8_t *head = c->out_bytes + c->frame_at + HEADER_BYTES;
    head[0] = (uint8_t)(n >> 8);
    head[1] = (uint8_t)n;
    if (n == 0) frame_drop(c);
    else frame_end(c);
    if (n > 0) f->search.pulse = now_ns();
    if (at == OVER) return end(j, NULL);
    if (at == FULL) return end(j, f->given);
    if (at == LOOKED) return end(j, walk_path(&f->search.walk));
    if (at == FAILED) return job_fail(j, errno);
    search_pulse(j, F_FOUND, now_ns());
    return at == UNSETTLED ? STEP_WAIT : STEP_MORE;
}

enum step find_step(struct job *j) {
    struct find *f = j->map;
    if (j->stage != FIND_BEGIN) return walk_on(j, f);
    if (j->size < 1 || j->size > FIND_LIMIT || f->types == 0 || f->types > 15) return job_fail(j, EINVAL);
    enum step begun = search_begin(j, false);
    if (begun == STEP_MORE) j->stage = FIND_WALK;
    return begun;
}
