/* COPY of a file: filled beside the target, then placed as a WRITE is. A folder goes on in job_copy_folder.c. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "copying.h"
#include "job_copy.h"
#include "parents.h"
#include "reading.h"
#include "resolve.h"

#define COPY_FLAGS (P_CREATE | P_PARENTS | P_IF_MATCH | P_IF_MATCH_TO | P_RECURSIVE | P_SKIP_SPECIAL)

bool copy_parse(struct job *j, struct rd *r) {
    if (!pair_parse(j, r, sizeof(struct copy))) return false;
    struct copy *c = j->map;
    c->asked = j->flags;
    c->entries_max = rd_u32(r);
    c->bytes_max = rd_u64(r);
    c->source = -1;
    if (j->stage != UINT32_MAX) j->stage = COPY_BEGIN;
    return pair_parse_etags(j, r) && (j->flags & ~(uint32_t)COPY_FLAGS) == 0;
}

static enum step source_conflict(struct job *j, struct copy *c) {
    j->stage = COPY_SOURCE_CONFLICT;
    j->top = close_fd(j->top);
    char leaf[NAME_BYTES + 1];
    j->top = resolve_target(j->path, leaf);
    return j->top < 0 ? job_fail(j, errno) : job_conflict(j, j->top, leaf, false, c->tries > 0 ? "it keeps changing" : "the file changed");
}

/* The target's folder and name; the conditions there are a WRITE's. */
static int find_target(struct job *j, struct copy *c) {
    j->flags = (c->asked & P_CREATE ? W_CREATE : 0u) | (c->asked & P_IF_MATCH_TO ? W_IF_MATCH : 0u);
    memcpy(j->inner, c->pair.if_match_to, sizeof c->pair.if_match_to);
    if ((c->asked & P_PARENTS) && parents_make(c->pair.to, &j->made) != 0) return errno;
    j->folder = resolve_target(c->pair.to, j->leaf);
    return j->folder < 0 ? errno : 0;
}

static enum step begin_file(struct job *j, struct copy *c) {
    struct stat to;
    if (c->asked & P_IF_MATCH) {
        if (pair_matches(&j->st, c->pair.if_match) != 0) return source_conflict(j, c);
    }
    c->before = j->st;
    if ((uint64_t)c->before.st_size > c->bytes_max) return copy_over_limit(j, "bytes");
    int error = find_target(j, c);
    if (error == 0) error = write_look(j, &to);
    if (error == ESTALE) return write_conflict(j);
    if (error != 0) return job_fail_second(j, error);
    if (!j->created && to.st_dev == c->before.st_dev && to.st_ino == c->before.st_ino)
        return job_fail_with(j, FE_INTO_ITSELF, (int)(EINVAL | SECOND_PATH), "", "onto itself");
    if (write_open_temp(j) != 0) return job_fail_second(j, errno);
    c->entries = 1;
    c->fresh = true;
    j->stage = COPY_FILL;
    return STEP_MORE;
}

static enum step begin(struct job *j, struct copy *c) {
    if ((c->asked & P_CREATE) && (c->asked & P_IF_MATCH_TO)) return job_fail(j, EINVAL);
    c->source = resolve_file(j->path, &j->st);
    note_fd(c->source);
    if (c->source >= 0) return begin_file(j, c);
    if (errno != EISDIR || !(c->asked & P_RECURSIVE)) return job_fail(j, errno);
    if (c->asked & (P_IF_MATCH | P_IF_MATCH_TO)) return job_fail_with(j, FE_INVALID, EINVAL, "", ONLY_FILES);
    int error = find_target(j, c);
    return error != 0 ? job_fail_second(j, error) : copy_begin_folder(j, c);
}

static enum step again(struct job *j, struct copy *c) {
    if (++c->tries >= COPY_TRIES) return source_conflict(j, c);
    if (ftruncate(j->fd, 0) != 0 || lseek(j->fd, 0, SEEK_SET) != 0) return job_fail(j, errno);
    j->done = 0;
    c->fresh = true;
    return STEP_MORE;
}

static enum step settle(struct job *j, struct copy *c) {
    if (!write_source_settled(j, c->source, &c->before)) return STEP_WAIT;
    if ((c->asked & P_IF_MATCH) && pair_matches(&c->before, c->pair.if_match) != 0) return source_conflict(j, c);
    if ((uint64_t)c->before.st_size > c->bytes_max) return copy_over_limit(j, "bytes");
    j->mode = c->before.st_mode & 0777;
    c->fresh = false;
    return STEP_MORE;
}

static enum step fill(struct job *j, struct copy *c) {
    struct stat now;
    if (c->fresh) return settle(j, c);
    uint64_t left = (uint64_t)c->before.st_size - j->done;
    ssize_t done = left == 0 ? 0 : copy_some(c->source, j->done, j->fd, left < COPY_STEP ? left : COPY_STEP);
    if (done < 0) return job_fail_second(j, errno);
    j->done += (uint64_t)done;
    if (done > 0 && left > (uint64_t)done) return STEP_MORE;
    if (fstat(c->source, &now) != 0) return job_fail(j, errno);
    if (j->done < (uint64_t)c->before.st_size || !read_same(&now, &c->before)) return again(j, c);
    if (copy_attributes(c->source, j->fd) != 0) return job_fail_second(j, errno);
    c->bytes = j->done;
    j->stage = WRITE_COMMIT;
    return STEP_MORE;
}

static enum step reply(struct job *j, struct copy *c) {
    struct stat now;
    if (c->depth == 0 && j->fd >= 0) write_own_etag(j, &now);
    else if (fstatat(j->folder, j->leaf, &now, AT_SYMLINK_NOFOLLOW) != 0) return job_fail_second(j, errno);
    frame_begin(j->channel, F_COPIED, j->request);
    put_u8(j->channel, j->created);
    put_u64(j->channel, c->entries);
    put_u64(j->channel, c->bytes);
    put_u64(j->channel, c->skipped);
    put_stat(j, &now, -1, "");
    frame_end(j->channel);
    return STEP_DONE;
}

enum step copy_step(struct job *j) {
    struct copy *c = j->map;
    switch (j->stage) {
    case COPY_BEGIN: return begin(j, c);
    case COPY_FILL: return fill(j, c);
    case WRITE_COMMIT: return write_commit(j);
    case WRITE_REPLY: case COPY_REPLY: return reply(j, c);
    case WRITE_CONFLICT: return write_conflict(j);
    case COPY_SOURCE_CONFLICT: return source_conflict(j, c);
    default: return copy_folder_step(j, c);
    }
}

enum step copy_over_limit(struct job *j, const char *what) {
    return job_fail_with(j, FE_TOO_LARGE, E2BIG, "", what);
}

bool copy_drop(struct job *j) {
    struct copy *c = j->map;
    if (c == NULL) return false;
    c->source = close_fd(c->source);
    bool folder = c->is_folder && j->temp[0] != 0 && j->folder >= 0;
    if (folder) memcpy(j->path, c->pair.to, sizeof j->path); /* what was made above it goes after it */
    copy_close_folders(c);
    return folder;
}
