#include "copying.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "limits.h"
#include "util.h"

#define PIECE 32768u
#define LINK_TEXT 32

static bool no_such_way(int error) {
    return error == ENOSYS || error == EXDEV || error == EINVAL || error == EOPNOTSUPP || error == EPERM || error == EBADF;
}

static int write_all(int to, const uint8_t *p, size_t n) {
    while (n > 0) {
        ssize_t done = write(to, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return -1;
        p += done;
        n -= (size_t)done;
    }
    return 0;
}

ssize_t copy_some(int from, uint64_t at, int to, uint64_t n) {
    uint8_t bytes[PIECE];
    off_t offset = (off_t)at;
    ssize_t done = copy_file_range(from, &offset, to, NULL, (size_t)n, 0);
    if (done > 0) return done;
    if (done < 0 && !no_such_way(errno)) return -1;
    /* Also where nothing was copied: some file systems claim to be empty. */
    ssize_t got = pread(from, bytes, n < PIECE ? (size_t)n : PIECE, (off_t)at);
    if (got <= 0) return got;
    return write_all(to, bytes, (size_t)got) == 0 ? got : -1;
}

ssize_t copy_again(int from, uint64_t at, int to, uint64_t n, bool *differs) {
    uint8_t now[PIECE], was[PIECE];
    uint64_t done = 0;
    while (done < n) {
        size_t most = n - done < PIECE ? (size_t)(n - done) : PIECE;
        off_t offset = (off_t)(at + done);
        ssize_t got = pread(from, now, most, offset);
        if (got < 0) return -1;
        if (got == 0) break;
        ssize_t had = pread(to, was, (size_t)got, offset);
        if (had < 0) return -1;
        if (had != got || memcmp(now, was, (size_t)got) != 0) {
            *differs = true;
            ssize_t put = pwrite(to, now, (size_t)got, offset);
            if (put < 0) return -1;
            got = put;
        }
        done += (uint64_t)got;
    }
    return (ssize_t)done;
}

bool copy_owner(int to, const struct stat *of) {
    struct stat now;
    if (fstat(to, &now) != 0) return false;
    if (now.st_uid == of->st_uid && now.st_gid == of->st_gid) return true;
    if (fchown(to, of->st_uid, of->st_gid) == 0) return true;
    return fchown(to, (uid_t)-1, of->st_gid) == 0 && now.st_uid == of->st_uid;
}

static bool is_kept(const char *name) {
    return strncmp(name, "user.", 5) == 0 || strcmp(name, "system.posix_acl_access") == 0;
}

static int copy_attribute(const char *from, int to, const char *name, void *value) {
    ssize_t n = getxattr(from, name, value, XATTR_VALUE);
    if (n < 0 || fsetxattr(to, name, value, (size_t)n, 0) == 0) return 0;
    return errno == ENOSPC || errno == EDQUOT ? -1 : 0;
}

int copy_attributes(int from, int to) {
    char link[LINK_TEXT];
    char names[XATTR_LIST];
    int answer = 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", from);
    ssize_t n = listxattr(link, names, sizeof names);
    void *value = n > 0 ? private_map(XATTR_VALUE) : NULL;
    for (const char *name = names; value != NULL && answer == 0 && name < names + n; name += strlen(name) + 1)
        if (is_kept(name)) answer = copy_attribute(link, to, name, value);
    int error = errno;
    private_unmap(value, XATTR_VALUE);
    errno = error;
    return answer;
}

int copy_attributes_of(int folder, const char *leaf, int to) {
    int fd = openat(folder, leaf, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return 0;
    int answer = copy_attributes(fd, to);
    int error = errno;
    (void)close_fd(fd);
    errno = error;
    return answer;
}
