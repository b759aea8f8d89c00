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

/* Being replaced or deleted changes the change time alone: the bytes are whole, those of the file that was. */
bool read_same(const struct stat *now, const struct stat *begun) {
    bool content = now->st_size == begun->st_size && now->st_mtim.tv_sec == begun->st_mtim.tv_sec &&
                   now->st_mtim.tv_nsec == begun->st_mtim.tv_nsec;
    bool rest = now->st_ctim.tv_sec == begun->st_ctim.tv_sec && now->st_ctim.tv_nsec == begun->st_ctim.tv_nsec;
    return content && (rest || now->st_nlink < begun->st_nlink);
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

enum step read_step(struct job *j) { return j->stage == READ_SETTLE ? begin(j) : read_send(j); }

enum step read_send(struct job *j) {
    uint64_t left = j->size - j->done;
    if (left == 0) return read_finish(j, false);
    uint64_t at = j->offset + j->done;
    if (at > INT64_MAX) return read_finish(j, true);
    if (j->done >= j->limit) {
        /* The end needs no window: a file that ends here is over. One that has grown meanwhile goes on. */
        struct stat now;
        if (fstat(j->fd, &now) != 0) return job_fail(j, errno);
        return at >= (uint64_t)now.st_size ? read_finish(j, true) : STEP_WAIT;
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
