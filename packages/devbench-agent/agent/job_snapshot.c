/* SNAPSHOT: a file as it is at one moment, however it changes meanwhile. It is copied into a file without a name: by
 * sharing its blocks, which is one moment by itself, or in passes. A pass copies what is there, and makes what an earlier
 * one copied the same again. When a pass finds nothing to make the same, all that was copied stood there together between
 * it and the one before. So a file that only grows is had in two passes, as far as it went at the first one. That the
 * file's times stayed the same does not do instead: writes through a shared mapping change none until later. Then the
 * copy is read as READ reads a file. */
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "copying.h"
#include "reading.h"
#include "resolve.h"
#include "roots.h"
#include "unnamed.h"
#include "util.h"
#include "writing.h"

#define SHARE_BLOCKS _IOW(0x94, 9, int) /* FICLONE; not every C library comes with the kernel's headers */
#define IN_MEMORY 0x01021994            /* a tmpfs */

enum { SNAPSHOT_BEGIN, SNAPSHOT_SETTLE, SNAPSHOT_PASS, SNAPSHOT_SEND };

struct snapshot {
    int source;
    uint64_t max;
    uint64_t size, at;  /* of this pass: where it ends, and how far it is */
    uint64_t collected; /* what the pass before left, still to be found the same */
    bool settled, differs;
    unsigned passes;
    struct stat before;
};

bool snapshot_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->size = UINT64_MAX;
    j->map_bytes = sizeof(struct snapshot);
    struct snapshot *s = j->map = private_map(j->map_bytes);
    uint64_t max = rd_u64(r);
    j->limit = rd_u64(r);
    if (s == NULL) j->stage = UINT32_MAX;
    else *s = (struct snapshot){.source = -1, .max = max};
    return parsed;
}

void snapshot_drop(struct job *j) {
    struct snapshot *s = j->map;
    if (s != NULL) s->source = close_fd(s->source);
}

/* Beside the file, where blocks can be shared; else where the container's user may write. */
static int open_copy(struct job *j) {
    j->folder = resolve_target(j->path, j->leaf);
    if (j->folder >= 0) j->fd = unnamed_in(j->folder);
    if (j->fd < 0) j->fd = unnamed_in(roots_workspace());
    note_fd(j->fd);
    return j->fd < 0 ? -1 : 0;
}

/* Nobody else's write shall fail because of a copy that nobody asked for; and memory is not spent on it. */
static bool has_room(int fd, uint64_t size) {
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0 || (unsigned long)fs.f_type == IN_MEMORY) return false;
    return (uint64_t)fs.f_bavail * (uint64_t)fs.f_bsize / 2 >= size;
}

static enum step ready(struct job *j, struct snapshot *s, uint64_t size, bool quiet) {
    if (ftruncate(j->fd, (off_t)size) != 0 || fstat(j->fd, &j->st) != 0) return job_fail(j, errno);
    struct stat shown = s->before;
    shown.st_size = (off_t)size;
    if (!quiet) etag_unsettled(j->etag);
    s->source = close_fd(s->source);
    j->done = 0;
    j->tell_at = 0;
    frame_begin(j->channel, F_READ_META, j->request);
    put_stat(j, &shown, -1, "");
    frame_end(j->channel);
    j->stage = SNAPSHOT_SEND;
    return STEP_MORE;
}

static enum step too_large(struct job *j) { return job_fail_with(j, FE_TOO_LARGE, E2BIG, "", "bytes"); }

static enum step shared(struct job *j, struct snapshot *s) {
    if (fstat(j->fd, &j->st) != 0) return job_fail(j, errno);
    if ((uint64_t)j->st.st_size > s->max) return too_large(j);
    return ready(j, s, (uint64_t)j->st.st_size, false);
}

static enum step begin(struct job *j, struct snapshot *s) {
    s->source = resolve_file(j->path, &s->before);
    note_fd(s->source);
    if (s->source < 0 || open_copy(j) != 0) return job_fail(j, errno);
    if (ioctl(j->fd, SHARE_BLOCKS, s->source) == 0) return shared(j, s);
    j->stage = SNAPSHOT_SETTLE;
    return STEP_MORE;
}

static enum step settle(struct job *j, struct snapshot *s) {
    if (!write_source_settled(j, s->source, &s->before)) return STEP_WAIT;
    s->settled = etag_settled(&s->before);
    s->size = (uint64_t)s->before.st_size;
    if (s->size > s->max) return too_large(j);
    s->differs = s->size < s->collected;
    if (s->differs) s->collected = s->size;
    if (!has_room(j->fd, s->size - s->collected)) return job_fail(j, ENOSPC);
    s->at = 0;
    off_t end = (off_t)s->collected;
    if (ftruncate(j->fd, end) != 0 || lseek(j->fd, end, SEEK_SET) != end) return job_fail(j, errno);
    j->stage = SNAPSHOT_PASS;
    return STEP_MORE;
}

static enum step over(struct job *j, struct snapshot *s) {
    struct stat now;
    if (fstat(s->source, &now) != 0) return job_fail(j, errno);
    bool quiet = s->settled && s->collected == s->size && read_same(&now, &s->before);
    if (s->passes > 0 && !s->differs && s->at >= s->collected) return ready(j, s, s->collected, quiet);
    if (++s->passes >= SNAPSHOT_PASSES) return job_fail_with(j, FE_CONFLICT, ESTALE, "", "it keeps changing");
    s->collected = s->at;
    j->stage = SNAPSHOT_SETTLE;
    return STEP_MORE;
}

static enum step pass(struct job *j, struct snapshot *s) {
    bool again = s->at < s->collected;
    uint64_t left = (again ? s->collected : s->size) - s->at;
    uint64_t n = left < COPY_STEP ? left : COPY_STEP;
    ssize_t done = 0;
    if (n > 0 && again) done = copy_again(s->source, s->at, j->fd, n, &s->differs);
    else if (n > 0) done = copy_some(s->source, s->at, j->fd, n);
    if (done < 0) return job_fail(j, errno);
    s->at += (uint64_t)done;
    j->done = s->at;
    return done > 0 && s->at < s->size ? STEP_MORE : over(j, s);
}

enum step snapshot_step(struct job *j) {
    struct snapshot *s = j->map;
    switch (j->stage) {
    case SNAPSHOT_BEGIN: return begin(j, s);
    case SNAPSHOT_SETTLE: return settle(j, s);
    case SNAPSHOT_PASS: return pass(j, s);
    default: return read_send(j);
    }
}
