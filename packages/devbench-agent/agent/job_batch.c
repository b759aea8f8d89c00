/* BATCH: gathering operations beside the journal. What follows the end is in batch_commit.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"
#include "batch_commit.h"
#include "roots.h"
#include "util.h"

bool batch_parse(struct job *j, struct rd *r) {
    j->flags = rd_u32(r);
    return !r->bad && (j->flags & ~(uint32_t)B_OPTIONS) == 0;
}

static int make_staging(struct job *j, const char *path) {
    char name[TEMP_NAME];
    char random[TEMP_NAME];
    struct stat st;
    const char *rest;
    job_temp_name(random);
    size_t digits = strlen(random) - (sizeof TEMP_PREFIX - 1);
    memcpy(name, BATCH_PREFIX, sizeof BATCH_PREFIX - 1);
    memcpy(name + sizeof BATCH_PREFIX - 1, random + sizeof TEMP_PREFIX - 1, digits + 1);
    j->folder = roots_open(path, &rest);
    if (j->folder < 0) return errno;
    if (mkdirat(j->folder, name, 0700) != 0) return errno == EACCES || errno == EPERM ? ENOANO : errno;
    memcpy(j->temp, name, sizeof name);
    j->top = openat(j->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (j->top < 0 || fstat(j->top, &st) != 0) return errno;
    (void)flock(j->top, LOCK_EX | LOCK_NB); /* not to be carried forward by another agent meanwhile */
    batch_of(j)->dev = st.st_dev;
    batch_of(j)->journal = openat(j->top, JOURNAL_OPEN, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    note_fd(batch_of(j)->journal);
    return batch_of(j)->journal < 0 ? errno : 0;
}

bool batch_allocate(struct job *j) {
    j->map_bytes = sizeof(struct batch);
    j->map = private_map(j->map_bytes);
    if (j->map == NULL) return false;
    batch_of(j)->journal = -1;
    return true;
}

static enum step begin(struct job *j) {
    if (!batch_allocate(j)) return job_fail(j, ENOMEM);
    j->stage = BATCH_GATHER;
    return STEP_WAIT;
}

/* The first operation says which root the batch is in; the others must be in the same. */
static int stage_within(struct job *j, const struct record *r) {
    struct batch *b = batch_of(j);
    const char *rest;
    int root = roots_of(record_path(r), &rest);
    if (root < 0) return EXDEV;
    if (r->kind == B_MOVE && !roots_same(record_path(r), record_other(r)))
        return roots_of(record_other(r), &rest) < 0 ? EXDEV : EMEDIUMTYPE;
    if (j->top >= 0) return b->root == (size_t)root ? 0 : EMEDIUMTYPE;
    b->root = (size_t)root;
    return make_staging(j, record_path(r));
}

/* The operation that was just received is complete: it is written down. */
static int received(struct job *j) {
    struct batch *b = batch_of(j);
    struct record *r = &b->r;
    char texts[sizeof r->text];
    int error = r->kind == B_WRITE ? stage_file_done(j) : 0;
    if (error != 0) return error;
    b->receiving = false;
    memcpy(texts, r->text, sizeof texts);
    const char *other = texts + r->path_n + 1;
    bool kept = journal_append(b, texts, r->path_n, other, r->other_n, other + r->other_n + 1, r->match_n);
    return kept ? 0 : errno;
}

/* Into the record in hand. Lengths are checked before; a path too long is the operation's fault, not the frame's. */
static bool take_operation(struct batch *b, struct rd *r) {
    struct record *to = &b->r;
    memset(to, 0, sizeof *to);
    to->kind = rd_u8(r);
    to->flags = rd_u32(r);
    to->mode = rd_u32(r);
    to->mtime_ns = (int64_t)rd_u64(r);
    to->size = rd_u64(r);
    struct str path = rd_str(r, PATH_BYTES);
    struct str other = rd_str(r, PATH_BYTES);
    struct str match = rd_str(r, ETAG_MAX);
    if (!rd_done(r) || to->kind < B_WRITE || to->kind >= B_KINDS || (to->flags & ~(uint32_t)B_ALL) != 0) return false;
    if (to->mode > 07777 && to->mode != UINT32_MAX) return false;
    to->path_n = (uint16_t)path.n;
    to->other_n = (uint16_t)other.n;
    to->match_n = (uint16_t)match.n;
    memcpy(to->text, path.p, path.n);
    memcpy(to->text + path.n + 1, other.p, other.n);
    memcpy(to->text + path.n + 1 + other.n + 1, match.p, match.n);
    return true;
}

static int begin_operation(struct job *j) {
    struct batch *b = batch_of(j);
    struct record *r = &b->r;
    if (b->count == BATCH_OPERATIONS_MAX) return E2BIG;
    if (r->path_n == 0 || ((r->flags & B_CREATE) && (r->flags & B_IF_MATCH))) return EINVAL;
    r->index = b->count++;
    int error = stage_within(j, r);
    if (error == 0) error = stage_operation(j);
    if (error != 0) return error;
    b->left = r->kind == B_WRITE ? r->size : 0;
    b->receiving = true;
    return b->left == 0 ? received(j) : 0;
}

void batch_op(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    struct job *j = job_find_as(c, f, F_BATCH);
    if (j == NULL) return;
    if (j->stage == BATCH_BEGIN && begin(j) == STEP_DONE) {
        job_drop(j);
        return;
    }
    if (j->stage != BATCH_GATHER) return; /* it has failed and is being put away */
    if (j->ended || batch_of(j)->receiving || !take_operation(batch_of(j), &r)) {
        channel_error(c, E_MALFORMED, "BATCH_OP does not parse, or comes where it may not");
        return;
    }
    int error = begin_operation(j);
    if (error != 0) (void)batch_refuse_now(j, error);
}

void batch_data(struct job *j, const uint8_t *p, size_t n) {
    struct batch *b = batch_of(j);
    if (j->stage != BATCH_GATHER) {
        if (j->stage == BATCH_BEGIN) channel_error(j->channel, E_MALFORMED, "DATA before a BATCH_OP");
        return;
    }
    if (!b->receiving || n > b->left || j->ended) {
        channel_error(j->channel, E_MALFORMED, "DATA beyond what the BATCH_OP announced");
        return;
    }
    int error = stage_content(j, p, n) ? 0 : errno;
    b->left -= n;
    if (error == 0 && b->left == 0) error = received(j);
    if (error != 0) (void)batch_refuse_now(j, error);
}

void batch_end(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    struct job *j = job_find_as(c, f, F_BATCH);
    if (j == NULL) return;
    uint32_t count = rd_u32(&r);
    if (j->stage == BATCH_BEGIN && begin(j) == STEP_DONE) {
        job_drop(j);
        return;
    }
    if (j->stage != BATCH_GATHER) return;
    if (!rd_done(&r) || j->ended || batch_of(j)->receiving || count != batch_of(j)->count) {
        channel_error(c, E_MALFORMED, "BATCH_END does not count what came");
        return;
    }
    int error = j->top < 0 ? make_staging(j, "") : 0; /* an empty one is the workspace's */
    if (error != 0) {
        (void)batch_refuse_now(j, error);
        return;
    }
    j->ended = true;
    j->wake = 0;
    j->stage = j->flags & B_DURABLE ? BATCH_FLUSH : BATCH_CHECK;
}

enum step batch_step(struct job *j) {
    if (j->stage == BATCH_BEGIN) return begin(j);
    if (j->stage == BATCH_GATHER) return STEP_WAIT;
    return batch_commit_step(j);
}
