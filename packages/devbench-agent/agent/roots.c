#include "roots.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "util.h"

static const char *names[1 + ROOTS_MAX] = {""};
static size_t count = 1;
static int workspace = -1;

bool roots_begin(const char *path) {
    if (path != NULL) workspace = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return path == NULL || workspace >= 0;
}

static bool is_plain(const char *path) {
    size_t n = strlen(path);
    if (n < 2 || n > PATH_BYTES || path[n - 1] == '/') return false;
    while (*path == '/') {
        size_t name = strcspn(++path, "/");
        bool dots = name <= 2 && strncmp(path, "..", name) == 0;
        if (name == 0 || name > NAME_BYTES || dots) return false;
        path += name;
    }
    return *path == 0;
}

bool roots_add(const char *path) {
    errno = count > ROOTS_MAX ? E2BIG : is_plain(path) ? 0 : EINVAL;
    if (errno == 0) names[count++] = path;
    return errno == 0;
}

size_t roots_count(void) { return count; }
const char *roots_name(size_t number) { return names[number]; }
int roots_workspace(void) { return workspace; }

int roots_of(const char *path, const char **rest) {
    *rest = path;
    if (path[0] != '/') return 0;
    for (size_t i = 1; i < count; i++) {
        size_t n = strlen(names[i]);
        if (strncmp(path, names[i], n) != 0 || (path[n] != 0 && path[n] != '/')) continue;
        *rest = path + n + strspn(path + n, "/");
        return (int)i;
    }
    errno = EXDEV;
    return -1;
}

bool roots_same(const char *path, const char *other) {
    const char *rest;
    return roots_of(path, &rest) == roots_of(other, &rest);
}

/* What kept one from being opened. */
static int why(int at, const char *name, int error) {
    struct stat st;
    if (error == ENOENT) return ENOMEDIUM;
    if (error != ENOTDIR && error != ELOOP) return error;
    bool link = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode);
    return link ? EMULTIHOP : ENOTBLK;
}

/* Name by name: the container's user may have made a link of any of them. */
static int open_named(const char *path) {
    char name[NAME_BYTES + 1];
    int at = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0 && *path == '/') {
        size_t n = strcspn(++path, "/");
        memcpy(name, path, n);
        name[n] = 0;
        path += n;
        int next = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        int error = next < 0 ? why(at, name, errno) : 0;
        (void)close_fd(at);
        errno = error;
        at = next;
    }
    return at;
}

int roots_enter(const char *path, const char **rest) {
    int root = roots_of(path, rest);
    if (root < 0) return -1;
    if (root > 0) return open_named(names[root]);
    if (workspace < 0) errno = ENODEV;
    return workspace;
}

void roots_leave(int top) {
    int error = errno;
    if (top != workspace) (void)close_fd(top);
    errno = error;
}

int roots_open(const char *path, const char **rest) {
    int top = roots_enter(path, rest);
    return top >= 0 && top == workspace ? fcntl(top, F_DUPFD_CLOEXEC, 3) : top;
}
