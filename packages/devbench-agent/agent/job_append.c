/* WRITE with W_APPEND: what came is staged in a file without a name; then, one append to a file at a time, the file as it
 * is and what was staged are copied into a new one, which takes the name only if the file still is what was copied. So
 * readers see all of it or nothing, and nothing of any number of appends is lost or twice there. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "copying.h"
#include "writing.h"

#define TURN_MS 1

struct append {
    int staged, source;
    bool holds; /* nobody else appends to this file meanwhile */
    bool absent;
    unsigned tries;
    uint64_t copied, bytes; /* of the part that is being copied; staged bytes in all */
    struct stat folder, before;
};

bool append_begin(struct job *j) {
    j->map_bytes = sizeof(struct append);
    struct append *a = j->map = private_map(j->map_bytes);
    if (a == NULL) return false;
    a->staged = a->source = -1;
    /* Without a name there is nothing that could be left. */
    (void)unlinkat(j->folder, j->temp, 0);
    j->temp[0] = 0;
    return fstat(j->folder, &a->folder) == 0;
}

void append_drop(struct job *j) {
    struct append *a = j->map;
    if (a == NULL) return;
    a->staged = close_fd(a->staged);
    a->source = close_fd(a->source);
}

const struct stat *append_before(const struct job *j) {
    const struct append *a = j->map;
    return a->absent ? NULL : &a->before;
}

void append_over(struct job *j) { ((struct append *)j->map)->holds = false; }

enum step append_received(struct job *j) {
    struct append *a = j->map;
    a->staged = j->fd;
    a->bytes = j->done;
    j->fd = -1;
    j->stage = APPEND_TURN;
    return STEP_MORE;
}

static bool is_taken(const struct job *j, const struct append *mine) {
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *other = job_at(i);
        const struct append *a = other->map;
        if (other == j || other->type != F_WRITE || a == NULL || !a->holds) continue;
        if (a->folder.st_ino == mine->folder.st_ino && a->folder.st_dev == mine->folder.st_dev &&
            strcmp(other->leaf, j->leaf) == 0)
            return true;
    }
    return false;
}

static int open_source(struct job *j, struct append *a) {
    a->source = openat(j->folder, j->leaf, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    note_fd(a->source);
    if (a->source < 0 || fstat(a->source, &a->before) != 0) return -1;
    errno = S_ISREG(a->before.st_mode) ? 0 : ENOTSUP;
    return errno == 0 ? 0 : -1;
}

static enum step turn(struct job *j, struct append *a) {
    if (is_taken(j, a)) {
        j->wake = now_ns() + TURN_MS * NS_PER_MS;
        return STEP_WAIT;
    }
    int error = write_look(j, &a->before);
    if (error == ESTALE) return write_conflict(j);
    if (error != 0) return job_fail(j, error);
    a->absent = j->created;
    if (!a->absent && open_source(j, a) != 0) return errno == ENOENT ? append_again(j) : job_fail(j, errno);
    if (write_open_temp(j) != 0) return job_fail(j, errno);
    a->holds = true;
    a->copied = 0;
    j->stage = a->absent ? APPEND_TAIL : APPEND_SETTLE;
    return STEP_MORE;
}

bool write_source_settled(struct job *j, int fd, struct stat *st) {
    if (fstat(fd, st) == 0 && !job_settle(j, st)) return false;
    j->settle_until = 0;
    return true;
}

static enum step settle(struct job *j, struct append *a) {
    if (!write_source_settled(j, a->source, &a->before)) return STEP_WAIT;
    j->stage = APPEND_COPY;
    return STEP_MORE;
}

static bool unchanged(const struct append *a) {
    struct stat now;
    return fstat(a->source, &now) == 0 && now.st_size == a->before.st_size &&
           now.st_mtim.tv_sec == a->before.st_mtim.tv_sec && now.st_mtim.tv_nsec == a->before.st_mtim.tv_nsec;
}

static enum step copy(struct job *j, struct append *a) {
    uint64_t size = (uint64_t)a->before.st_size;
    uint64_t n = size - a->copied < COPY_STEP ? size - a->copied : COPY_STEP;
    ssize_t done = n == 0 ? 0 : copy_some(a->source, a->copied, j->fd, n);
    if (done < 0) return job_fail(j, errno);
    a->copied += (uint64_t)done;
    if (a->copied < size && done > 0) return STEP_MORE;
    if (a->copied < size || !unchanged(a)) return append_again(j);
    a->copied = 0;
    j->stage = APPEND_TAIL;
    return STEP_MORE;
}

static enum step tail(struct job *j, struct append *a) {
    uint64_t n = a->bytes - a->copied < COPY_STEP ? a->bytes - a->copied : COPY_STEP;
    ssize_t done = n == 0 ? 0 : copy_some(a->staged, a->copied, j->fd, n);
    if (done < 0 || (n > 0 && done == 0)) return job_fail(j, done < 0 ? errno : EIO);
    a->copied += (uint64_t)done;
    if (a->copied == a->bytes) j->stage = j->flags & W_FSYNC ? WRITE_SYNC : WRITE_COMMIT;
    return STEP_MORE;
}

enum step append_again(struct job *j) {
    struct append *a = j->map;
    if (j->temp[0] != 0) (void)unlinkat(j->folder, j->temp, 0);
    j->temp[0] = 0;
    j->fd = close_fd(j->fd);
    a->source = close_fd(a->source);
    if (++a->tries > APPEND_TRIES || (j->flags & W_IF_MATCH)) {
        a->holds = false;
        return write_conflict(j);
    }
    j->stage = APPEND_TURN; /* still its turn */
    return STEP_MORE;
}

enum step append_step(struct job *j) {
    struct append *a = j->map;
    switch (j->stage) {
    case APPEND_TURN: return turn(j, a);
    case APPEND_SETTLE: return settle(j, a);
    case APPEND_COPY: return copy(j, a);
    default: return tail(j, a);
    }
}
