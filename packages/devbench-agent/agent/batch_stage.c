/* Putting an operation's new content beside the journal, as it comes. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch.h"
#include "util.h"

enum { MODE_FILE = 0644, MODE_FOLDER = 0755, USABLE = 0700 };

static int note_staged(struct job *j, const char *name) {
    struct record *r = &batch_of(j)->r;
    struct stat st;
    if (fstatat(j->top, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    r->ino = st.st_ino;
    r->size = (uint64_t)st.st_size;
    r->staged_s = st.st_mtim.tv_sec;
    r->staged_ns = st.st_mtim.tv_nsec;
    return 0;
}

static void times_of(const struct record *r, struct timespec times[2]) {
    int64_t s = r->mtime_ns / (int64_t)NS_PER_S;
    int64_t ns = r->mtime_ns % (int64_t)NS_PER_S;
    if (ns < 0) {
        ns += (int64_t)NS_PER_S;
        s--;
    }
    times[0] = (struct timespec){.tv_nsec = UTIME_OMIT};
    times[1] = (struct timespec){.tv_sec = (time_t)s, .tv_nsec = (long)ns};
}

int stage_file_done(struct job *j) {
    struct record *r = &batch_of(j)->r;
    struct timespec times[2];
    char name[STAGED_NAME];
    mode_t mode = r->mode != UINT32_MAX ? (mode_t)r->mode : MODE_FILE & ~job_umask();
    times_of(r, times);
    bool fine = fchmod(j->fd, mode) == 0 && (r->mtime_ns != INT64_MIN ? futimens(j->fd, times) == 0 : etag_stamp(j->fd));
    if (!fine) return errno;
    j->fd = close_fd(j->fd);
    staged_name(r->index, name);
    return note_staged(j, name);
}

bool stage_content(struct job *j, const uint8_t *p, size_t n) {
    while (n > 0) {
        ssize_t done = write(j->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) {
            if (done == 0) errno = EIO;
            return false;
        }
        p += done;
        n -= (size_t)done;
    }
    return true;
}

static int stage_link(struct job *j, const char *name) {
    struct record *r = &batch_of(j)->r;
    struct timespec times[2];
    times_of(r, times);
    if (symlinkat(record_other(r), j->top, name) != 0) return errno;
    if (r->mtime_ns != INT64_MIN && utimensat(j->top, name, times, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    return note_staged(j, name);
}

static int stage_hard_link(struct job *j, const char *name) {
    struct record *r = &batch_of(j)->r;
    char first[STAGED_NAME];
    struct stat st;
    if (r->size >= r->index) return EINVAL;
    staged_name((uint32_t)r->size, first);
    if (fstatat(j->top, first, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) return EINVAL;
    return linkat(j->top, first, j->top, name, 0) == 0 ? note_staged(j, name) : errno;
}

static int stage_folder(struct job *j, const char *name) {
    struct record *r = &batch_of(j)->r;
    mode_t mode = (r->mode == UINT32_MAX ? MODE_FOLDER : (mode_t)r->mode) & ~job_umask();
    /* A folder that its owner may not write to cannot be moved by him: it gets its mode when it is in place. */
    r->mode = mode;
    if (mkdirat(j->top, name, USABLE) != 0 || fchmodat(j->top, name, mode | USABLE, 0) != 0) return errno;
    return note_staged(j, name);
}

int stage_operation(struct job *j) {
    struct record *r = &batch_of(j)->r;
    char name[STAGED_NAME];
    staged_name(r->index, name);
    switch (r->kind) {
    case B_WRITE:
        j->fd = openat(j->top, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        return j->fd < 0 ? errno : 0;
    case B_LINK: return stage_link(j, name);
    case B_HARD_LINK: return stage_hard_link(j, name);
    case B_MKDIR: return stage_folder(j, name);
    default: return 0;
    }
}
