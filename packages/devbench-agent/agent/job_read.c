/* READ. */
#include <errno.h>
#include <stdint.h>
#include <unistd.h>

#include "job.h"
#include "reading.h"
#include "resolve.h"
#include "util.h"

enum { READ_SETTLE, READ_SEND };

bool read_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->offset = rd_u64(r);
    j->size = rd_u64(r);
    j->limit = rd_u64(r);
    return parsed;
}

static enum step begin(struct job *j) {
    if (j->offset > INT64_MAX) return job_fail(j, EINVAL);
    if (j->fd < 0) j->fd = resolve_file(j->path, &j->st);
    else if (fstat(j->fd, &j->st) != 0) return job_fail(j, errno);
    if (j->fd < 0) return job_fail(j, errno);
    if (!job_settle(j, &j->st)) return STEP_WAIT;
    frame_begin(j->channel, F_READ_META, j->request);
    put_stat(j, &j->st, -1, "");
    frame_end(j->channel);
    j->stage = READ_SEND;
    return STEP_MORE;
}

bool read_same(const struct stat *a, const struct stat *b) {
    return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
           a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
           a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

enum step read_finish(struct job *j, bool at_end) {
    struct stat st;
    if (fstat(j->fd, &st) != 0) return job_fail(j, errno);
    frame_begin(j->channel, F_READ_END, j->request);
    put_u8(j->channel, at_end || j->offset + j->done >= (uint64_t)st.st_size);
    put_u8(j->channel, !read_same(&st, &j->st));
    frame_end(j->channel);
    return STEP_DONE;
}

enum step read_step(struct job *j) {
    if (j->stage == READ_SETTLE) return begin(j);
    uint64_t left = j->size - j->done;
    if (left == 0) return read_finish(j, false);
    uint64_t at = j->offset + j->done;
    if (at > INT64_MAX) return read_finish(j, true);
    if (j->done >= j->limit) {
        /* The end needs no window: a file that ends here is over. */
        return at >= (uint64_t)j->st.st_size ? read_finish(j, false) : STEP_WAIT;
    }
    uint64_t n = left < j->limit - j->done ? left : j->limit - j->done;
    if (n > DATA_MAX) n = DATA_MAX;
    frame_begin(j->channel, F_DATA, j->request);
    uint8_t *to = put_room(j->channel, (size_t)n);
    ssize_t got = to == NULL ? 0 : pread(j->fd, to, (size_t)n, (off_t)at);
    if (got <= 0) {
        int error = errno;
        frame_drop(j->channel);
        return got < 0 ? job_fail(j, error) : read_finish(j, true);
    }
    put_used(j->channel, (size_t)got);
    frame_end(j->channel);
    j->done += (uint64_t)got;
    return STEP_MORE;
}
