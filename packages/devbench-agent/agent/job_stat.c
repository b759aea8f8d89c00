/* STAT and MKDIR. */
#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "job.h"
#include "parents.h"
#include "resolve.h"
#include "util.h"

enum { STAT_FOLLOW = 1, MKDIR_PARENTS = 1, MKDIR_MAY_EXIST = 2, MKDIR_EXACT = 4, MODE_DEFAULT = 0755 };

bool stat_parse(struct job *j, struct rd *r) {
    j->flags = rd_u32(r);
    return job_path(j, r) && j->flags <= STAT_FOLLOW;
}

static enum step answer(struct job *j, enum frame_type type) {
    struct stat st;
    if (fstatat(j->folder, j->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) return job_fail(j, errno);
    if (!job_settle(j, &st)) return STEP_WAIT;
    frame_begin(j->channel, type, j->request);
    if (type == F_MADE) put_u8(j->channel, j->created);
    put_stat(j, &st, j->folder, j->leaf);
    frame_end(j->channel);
    return STEP_DONE;
}

enum step stat_step(struct job *j) {
    if (j->folder < 0)
        j->folder = j->flags & STAT_FOLLOW ? resolve_target(j->path, j->leaf) : resolve_parent(j->path, j->leaf);
    if (j->folder < 0) return job_fail(j, errno);
    return answer(j, F_STATED);
}

bool mkdir_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->flags = rd_u32(r);
    j->mode = rd_u32(r);
    return parsed && j->flags <= (MKDIR_PARENTS | MKDIR_MAY_EXIST | MKDIR_EXACT) && (j->mode <= 07777 || j->mode == UINT32_MAX);
}

static bool is_directory(struct job *j) {
    int fd = resolve_directory(j->path);
    (void)close_fd(fd);
    return fd >= 0;
}

/* Also against the umask; what was made is a folder, and is opened as nothing else. */
static int set_exact_mode(struct job *j) {
    if (!(j->flags & MKDIR_EXACT) || j->mode == UINT32_MAX) return 0;
    int fd = openat(j->folder, j->leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    int done = fd < 0 ? -1 : fchmod(fd, (mode_t)j->mode);
    int error = errno;
    (void)close_fd(fd);
    errno = error;
    return done;
}

enum step mkdir_step(struct job *j) {
    if ((j->flags & MKDIR_PARENTS) && parents_make(j->path, &j->made) != 0) return job_fail(j, errno);
    j->folder = resolve_parent(j->path, j->leaf);
    if (j->folder < 0) return job_fail(j, errno);
    if (mkdirat(j->folder, j->leaf, j->mode == UINT32_MAX ? MODE_DEFAULT : (j->flags & MKDIR_EXACT) ? 0700 : (mode_t)j->mode) == 0) j->created = true;
    else if (errno != EEXIST || !(j->flags & MKDIR_MAY_EXIST)) return job_fail(j, errno);
    else if (!is_directory(j)) return job_fail(j, EEXIST);
    if (j->created && set_exact_mode(j) != 0) {
        int error = errno;
        (void)unlinkat(j->folder, j->leaf, AT_REMOVEDIR);
        return job_fail(j, error);
    }
    j->made = 0;
    return answer(j, F_MADE);
}
