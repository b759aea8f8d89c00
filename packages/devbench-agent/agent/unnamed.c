#include "unnamed.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "job.h"
#include "util.h"

int unnamed_in(int folder) {
    char name[TEMP_NAME];
    int fd = openat(folder, ".", O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd >= 0) return fd;
    job_temp_name(name);
    fd = openat(folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    int error = errno;
    if (fd >= 0 && unlinkat(folder, name, 0) != 0) return close_fd(fd);
    errno = error;
    return fd;
}

void unnamed_looks(int folder, struct stat *st) {
    int fd = unnamed_in(folder);
    note_fd(fd);
    /* Where none can be made, what ordinary file systems show. */
    if (fd < 0 || fstat(fd, st) != 0) *st = (struct stat){.st_uid = geteuid(), .st_mode = S_IFREG | 0600};
    (void)close_fd(fd);
}
