/* DELETE. A folder first gives up its name; then it is taken apart two levels at a time: what lies deeper is moved up
 * beside the rest, so that no depth needs more than two descriptors and no path is ever followed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "aside.h"
#include "job.h"
#include "listing.h"
#include "resolve.h"
#include "util.h"

enum { DELETE_BEGIN, DELETE_TAKE_APART, DELETE_CONFLICT };
enum { DELETE_RECURSIVE = 1 };

bool delete_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->flags = rd_u32(r);
    struct str match = rd_str(r, ETAG_MAX);
    if (r->bad) return false;
    memcpy(j->inner, match.p, match.n);
    j->inner[match.n] = 0;
    return parsed && j->flags <= DELETE_RECURSIVE;
}

static enum step deleted(struct job *j) {
    j->temp[0] = 0;
    if (j->channel == NULL || j->type != F_DELETE) return STEP_DONE;
    frame_begin(j->channel, F_DELETED, j->request);
    frame_end(j->channel);
    return STEP_DONE;
}

static void put_back(struct job *j) {
    if (j->temp[0] == 0 || j->folder < 0) return;
    /* Where a newer thing has the name it gets another, since a sweep would take it under its hidden one. */
    (void)aside_move(j->folder, j->temp, j->folder, j->leaf);
    j->temp[0] = 0;
}

static enum step conflict(struct job *j) {
    struct stat st;
    j->stage = DELETE_CONFLICT;
    if (fstatat(j->folder, j->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) j->etag[0] = 0;
    else if (!job_settle(j, &st)) return STEP_WAIT;
    return job_fail_with(j, FE_CONFLICT, ESTALE, j->etag, "the file changed");
}

static int hide(struct job *j) {
    char name[TEMP_NAME];
    job_temp_name(name);
    if (renameat(j->folder, j->leaf, j->folder, name) != 0) return -1;
    memcpy(j->temp, name, sizeof name);
    return 0;
}

static enum step delete_if_match(struct job *j, const struct stat *before) {
    struct stat out;
    etag_of(before, j->etag);
    if (strcmp(j->etag, j->inner) != 0) return conflict(j);
    if (hide(j) != 0) return job_fail_rename(j, errno);
    bool same = fstatat(j->folder, j->temp, &out, AT_SYMLINK_NOFOLLOW) == 0 && out.st_ino == before->st_ino &&
                out.st_size == before->st_size && out.st_mtim.tv_sec == before->st_mtim.tv_sec &&
                out.st_mtim.tv_nsec == before->st_mtim.tv_nsec;
    if (!same) {
        put_back(j);
        return conflict(j);
    }
    return unlinkat(j->folder, j->temp, 0) == 0 ? deleted(j) : job_fail(j, errno);
}

/* Open a folder to empty it, with the modes for it if it is ours. Never by a name that could have become a link: a
 * mode that is changed through one is that of something outside. */
int open_to_empty(int folder, const char *name) {
    int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(folder, name, flags);
    if (fd < 0 && errno == EACCES) {
        if (fchmodat(folder, name, 0700, AT_SYMLINK_NOFOLLOW) == 0) fd = openat(folder, name, flags);
        else errno = EACCES;
    }
    if (fd >= 0) (void)fchmod(fd, 0700);
    return fd;
}

static enum step delete_folder(struct job *j) {
    if (j->inner[0] != 0) return job_fail(j, EINVAL);
    if (!(j->flags & DELETE_RECURSIVE))
        return unlinkat(j->folder, j->leaf, AT_REMOVEDIR) == 0 ? deleted(j) : job_fail(j, errno);
    if (hide(j) != 0) return job_fail_rename(j, errno);
    j->top = open_to_empty(j->folder, j->temp);
    if (j->top < 0) return job_fail(j, errno);
    (void)flock(j->top, LOCK_EX | LOCK_NB); /* not to be swept by another agent meanwhile */
    j->stage = DELETE_TAKE_APART;
    return STEP_MORE;
}

static enum step begin(struct job *j) {
    struct stat st;
    j->folder = resolve_parent(j->path, j->leaf);
    if (j->folder < 0) return job_fail(j, errno);
    if (strcmp(j->leaf, ".") == 0) return job_fail(j, EINVAL);
    if (fstatat(j->folder, j->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) return job_fail(j, errno);
    if (S_ISDIR(st.st_mode)) return delete_folder(j);
    if (j->inner[0] != 0 && S_ISREG(st.st_mode)) return delete_if_match(j, &st);
    if (j->inner[0] != 0) return job_fail(j, EINVAL);
    return unlinkat(j->folder, j->leaf, 0) == 0 ? deleted(j) : job_fail(j, errno);
}

/* Whether unlinkat's error says "a folder". */
static bool is_folder(int fd, const char *name) {
    struct stat st;
    return fstatat(fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
}

/* To a name that is not hidden: while the top is, nobody sees it, and if the top is put back everybody does. */
static int lift(struct job *j, const char *name) {
    if (aside_move(j->fd, name, j->top, name) == 0) return 0;
    if (errno != EACCES || fchmodat(j->fd, name, 0700, AT_SYMLINK_NOFOLLOW) != 0) return -1;
    return aside_move(j->fd, name, j->top, name);
}

static int descend(struct job *j, const char *name) {
    j->fd = open_to_empty(j->top, name);
    if (j->fd < 0) return -1;
    memcpy(j->inner, name, strlen(name) + 1);
    return 0;
}

/* One batch of the lower folder. */
static enum step empty_lower(struct job *j) {
    struct listing l;
    const char *name;
    if (lseek(j->fd, 0, SEEK_SET) != 0 || !listing_read(&l, j->fd)) return job_fail(j, errno);
    bool any = false;
    while ((name = listing_next(&l)) != NULL) {
        any = true;
        if (unlinkat(j->fd, name, 0) == 0 || errno == ENOENT) continue;
        int error = errno;
        if (!is_folder(j->fd, name)) return job_fail(j, error);
        if (lift(j, name) != 0) return job_fail(j, errno);
    }
    if (any) return STEP_MORE;
    j->fd = close_fd(j->fd);
    if (unlinkat(j->top, j->inner, AT_REMOVEDIR) != 0 && errno != ENOTEMPTY) return job_fail(j, errno);
    return STEP_MORE;
}

enum step delete_take_apart(struct job *j) {
    struct listing l;
    const char *name;
    if (j->fd >= 0) return empty_lower(j);
    if (lseek(j->top, 0, SEEK_SET) != 0 || !listing_read(&l, j->top)) return job_fail(j, errno);
    bool any = false;
    while ((name = listing_next(&l)) != NULL) {
        any = true;
        if (unlinkat(j->top, name, 0) == 0 || errno == ENOENT) continue;
        int error = errno;
        if (!is_folder(j->top, name)) return job_fail(j, error);
        if (unlinkat(j->top, name, AT_REMOVEDIR) == 0) continue;
        if (errno != ENOTEMPTY && errno != EEXIST) return job_fail(j, errno); /* a mount point is busy, and not entered */
        return descend(j, name) == 0 ? STEP_MORE : job_fail(j, errno);
    }
    if (any) return STEP_MORE;
    if (unlinkat(j->folder, j->temp, AT_REMOVEDIR) == 0) return deleted(j);
    return errno == ENOTEMPTY ? STEP_MORE : job_fail(j, errno);
}

/* What cannot be taken apart wholly gets its name back. */
static enum step take_apart_or_put_back(struct job *j) {
    enum step answer = delete_take_apart(j);
    if (answer == STEP_DONE) put_back(j);
    return answer;
}

enum step delete_step(struct job *j) {
    switch (j->stage) {
    case DELETE_BEGIN: return begin(j);
    case DELETE_TAKE_APART: return take_apart_or_put_back(j);
    default: return conflict(j);
    }
}

/* The caller has gone: nobody sees a part of what was a whole, so it is ended as it was begun. */
bool delete_drop(struct job *j) {
    if (j->stage == DELETE_TAKE_APART && j->temp[0] != 0) return true;
    put_back(j);
    return false;
}

bool discard_begin(struct job *j) {
    j->top = openat(j->folder, j->temp, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (j->top < 0) return false;
    (void)flock(j->top, LOCK_EX | LOCK_NB);
    j->stage = j->type == F_DELETE ? DELETE_TAKE_APART : DELETE_BEGIN;
    j->type = JOB_DISCARD;
    j->request = 0;
    j->wake = 0;
    return true;
}

enum step discard_step(struct job *j) {
    return j->stage == DELETE_TAKE_APART ? take_apart_or_put_back(j) : delete_take_apart(j);
}
