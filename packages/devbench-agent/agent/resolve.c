#include "resolve.h"

#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "roots.h"
#include "util.h"

#ifndef SYS_openat2
#define SYS_openat2 437
#endif
#define NO_MAGICLINKS 0x02u
#define BENEATH 0x08u
#define RACES_MAX 32

struct how { /* what openat2 takes */
    uint64_t flags, mode, resolve;
};

static bool by_kernel;

static int kernel_open(int top, const char *path, int flags) {
    struct how how = {.flags = (uint64_t)(unsigned)(flags | O_CLOEXEC), .resolve = BENEATH | NO_MAGICLINKS};
    for (int i = 0; i < RACES_MAX; i++) {
        long fd = syscall(SYS_openat2, top, path[0] == 0 ? "." : path, &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) return (int)fd; /* EAGAIN: a rename raced with a ".." */
    }
    return -1;
}

void resolve_init(bool use_kernel) {
    int top = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    int probe = use_kernel && top >= 0 ? kernel_open(top, ".", O_PATH | O_DIRECTORY) : -1;
    by_kernel = probe >= 0;
    (void)close_fd(probe);
    (void)close_fd(top);
}

bool resolve_has_openat2(void) { return by_kernel; }

/* ---- component by component ---- */

struct walk {
    char done[PATH_BYTES + 1]; /* where `at` is: real names only, no link, no dots */
    char rest[2 * PATH_BYTES + 2];
    int top, at;
    int links;
};

static int fail(struct walk *w, int error) {
    w->at = close_fd(w->at);
    errno = error;
    return -1;
}

/* Cut the next component off `rest`. False at its end. */
static bool next_name(struct walk *w, char name[NAME_BYTES + 1], int *error) {
    char *p = w->rest;
    while (*p == '/') p++;
    size_t n = strcspn(p, "/");
    *error = n > NAME_BYTES ? ENAMETOOLONG : 0;
    if (n == 0 || *error != 0) return false;
    memcpy(name, p, n);
    name[n] = 0;
    memmove(w->rest, p + n, strlen(p + n) + 1);
    return true;
}

static bool is_last(const struct walk *w) { return w->rest[strspn(w->rest, "/")] == 0; }

/* Whether this is, or is again, what a name was taken for: then another look settles it. */
static bool is_raced(int folder, const char *name) {
    struct stat st;
    return fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && (S_ISLNK(st.st_mode) || S_ISDIR(st.st_mode));
}

static int enter(struct walk *w, const char *name) {
    int fd = openat(w->at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    /* ENOTDIR is also said of a link that took a folder's place since it was looked at. */
    if (fd < 0) return fail(w, errno != ENOTDIR ? errno : is_raced(w->at, name) ? EAGAIN : ENOTDIR);
    w->at = close_fd(w->at);
    w->at = fd;
    return 0;
}

static int enter_and_note(struct walk *w, const char *name) {
    size_t n = strlen(w->done);
    if (n + strlen(name) + 2 > sizeof w->done) return fail(w, ENAMETOOLONG);
    if (enter(w, name) != 0) return -1;
    if (n > 0) w->done[n++] = '/';
    memcpy(w->done + n, name, strlen(name) + 1);
    return 0;
}

/* "..": never asked of the kernel, which would follow a folder that was moved away; walked anew from the root. */
static int go_up(struct walk *w) {
    struct stat st;
    char *slash = strrchr(w->done, '/');
    if (fstatat(w->at, ".", &st, 0) != 0) return fail(w, errno); /* one that may not be searched has no ".." either */
    if (w->done[0] == 0) return fail(w, EXDEV);
    if (slash != NULL) *slash = 0;
    else w->done[0] = 0;
    (void)close_fd(w->at);
    w->at = fcntl(w->top, F_DUPFD_CLOEXEC, 3);
    if (w->at < 0) return -1;
    char name[NAME_BYTES + 1];
    for (const char *p = w->done; *p != 0;) {
        size_t n = strcspn(p, "/");
        memcpy(name, p, n);
        name[n] = 0;
        if (enter(w, name) != 0) return -1;
        p += n + (p[n] == '/');
    }
    return 0;
}

static int follow(struct walk *w, const char *name) {
    char link[PATH_BYTES + 2];
    ssize_t n = readlinkat(w->at, name, link, sizeof link - 1);
    if (n < 0) return fail(w, errno == EINVAL ? EAGAIN : errno); /* EINVAL: no link any more */
    if (++w->links > LINKS_MAX) return fail(w, ELOOP);
    link[n] = 0;
    if (link[0] == '/') return fail(w, EXDEV);
    if (n == 0 || (size_t)n > PATH_BYTES || strlen(w->rest) + (size_t)n + 1 > sizeof w->rest) return fail(w, ENAMETOOLONG);
    memmove(w->rest + n, w->rest, strlen(w->rest) + 1); /* it is empty or begins with a slash */
    memcpy(w->rest, link, (size_t)n);
    return 0;
}

static bool is_dot(const char *name) { return strcmp(name, ".") == 0; }
static bool is_dots(const char *name) { return strcmp(name, "..") == 0; }

/* Walk to the last component. With follow_last its links are followed too, and a slash behind it asks for a folder.
 * Leaf "." : w->at itself is meant. */
static int walk_once(struct walk *w, int top, const char *path, char leaf[NAME_BYTES + 1], bool follow_last) {
    int error = 0;
    memset(w, 0, sizeof *w);
    w->top = top;
    memcpy(w->rest, path, strlen(path) + 1);
    w->at = fcntl(w->top, F_DUPFD_CLOEXEC, 3);
    while (w->at >= 0 && next_name(w, leaf, &error)) {
        struct stat st;
        if (is_dot(leaf)) continue;
        if (is_dots(leaf)) {
            if (go_up(w) != 0) return -1;
            continue;
        }
        bool last = is_last(w);
        bool slash = w->rest[0] == '/';
        if (last && !follow_last) return w->at;
        if (fstatat(w->at, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
            if (last && !slash && errno == ENOENT) return w->at;
            return fail(w, errno);
        }
        if (S_ISLNK(st.st_mode)) {
            if (follow(w, leaf) != 0) return -1;
        } else if (last) {
            return slash && !S_ISDIR(st.st_mode) ? fail(w, ENOTDIR) : w->at;
        } else if (enter_and_note(w, leaf) != 0) {
            return -1;
        }
    }
    if (error != 0) return fail(w, error);
    memcpy(leaf, ".", 2);
    return w->at;
}

static int walk(int top, const char *path, char leaf[NAME_BYTES + 1], bool follow_last) {
    struct walk w;
    for (int i = 0; i < RACES_MAX; i++) {
        int fd = walk_once(&w, top, path, leaf, follow_last);
        if (fd >= 0 || errno != EAGAIN) return fd;
    }
    return -1;
}

/* ---- both ways ---- */

/* Too many links may be said of fewer than are allowed: when something is mounted or renamed meanwhile, wherever that is,
 * the kernel walks anew and still counts those of the walk that it gave up. Then they are counted here. */
static bool kernel_knows(int answer) { return by_kernel && (answer >= 0 || errno != ELOOP); }

/* The root, and what is beneath it. */
static int enter_root(const char *path, const char **rest) {
    if (strlen(path) <= PATH_BYTES) return roots_enter(path, rest);
    errno = ENAMETOOLONG;
    return -1;
}

static int leave_root(int top, int answer) {
    roots_leave(top);
    return answer;
}

/* Where the last component begins; its length without trailing slashes in *n. */
static const char *last_name(const char *path, size_t *n) {
    size_t end = strlen(path);
    while (end > 0 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    *n = end - begin;
    return path + begin;
}

static int kernel_parent(int top, const char *path, char leaf[NAME_BYTES + 1]) {
    char folder[PATH_BYTES + 1];
    size_t n;
    const char *name = last_name(path, &n);
    if (n > NAME_BYTES) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(leaf, name, n);
    leaf[n] = 0;
    /* These are the directory itself; also ".." is then resolved by the kernel. */
    if (n == 0 || is_dot(leaf) || is_dots(leaf)) {
        memcpy(leaf, ".", 2);
        return kernel_open(top, path, O_PATH | O_DIRECTORY);
    }
    memcpy(folder, path, (size_t)(name - path));
    folder[name - path] = 0;
    return kernel_open(top, folder, O_PATH | O_DIRECTORY);
}

int resolve_parent(const char *path, char leaf[NAME_BYTES + 1]) {
    const char *rest;
    int top = enter_root(path, &rest);
    if (top < 0) return -1;
    int fd = by_kernel ? kernel_parent(top, rest, leaf) : -1;
    return leave_root(top, kernel_knows(fd) ? fd : walk(top, rest, leaf, false));
}

/* Whether it can be opened so; errno says why not. */
static bool kernel_opens(int top, const char *path, int flags) {
    int fd = kernel_open(top, path, O_PATH | flags);
    int error = errno;
    (void)close_fd(fd);
    errno = error;
    return fd >= 0;
}

static bool has_slash(const char *path) {
    size_t n = strlen(path);
    return n > 0 && path[n - 1] == '/';
}

static int reject(int fd, int error) {
    (void)close_fd(fd);
    errno = error;
    return -1;
}

/* Put the link's text in the place of the last component. */
static int replace_last(char *now, const char *link) {
    size_t name_bytes;
    size_t prefix = (size_t)(last_name(now, &name_bytes) - now);
    size_t n = strlen(link);
    errno = link[0] == '/' ? EXDEV : n == 0 || prefix + n > PATH_BYTES ? ENAMETOOLONG : 0;
    if (errno != 0) return -1;
    memcpy(now + prefix, link, n + 1);
    return 0;
}

static int kernel_target(int top, const char *path, char leaf[NAME_BYTES + 1]) {
    char now[2 * PATH_BYTES + 2];
    char link[PATH_BYTES + 2];
    bool slash = has_slash(path);
    memcpy(now, path, strlen(path) + 1);
    for (int links = 0; links <= LINKS_MAX; links++) {
        int fd = kernel_parent(top, now, leaf);
        if (fd < 0) return -1;
        ssize_t n = readlinkat(fd, leaf, link, sizeof link - 1);
        if (n < 0) { /* no link, or nothing there: what is done next tells */
            if (slash && !kernel_opens(top, now, O_DIRECTORY)) return reject(fd, errno);
            return fd;
        }
        (void)close_fd(fd);
        link[n] = 0;
        /* All links count, also those of the folders: the kernel tells of the whole; that nothing is at the end is fine. */
        if (links == 0 && !kernel_opens(top, path, 0) && errno != ENOENT) return -1;
        if (replace_last(now, link) != 0) return -1;
        slash = slash || has_slash(link);
    }
    errno = ELOOP;
    return -1;
}

static int target(int top, const char *path, char leaf[NAME_BYTES + 1]) {
    int fd = by_kernel ? kernel_target(top, path, leaf) : -1;
    return kernel_knows(fd) ? fd : walk(top, path, leaf, true);
}

int resolve_target(const char *path, char leaf[NAME_BYTES + 1]) {
    const char *rest;
    int top = enter_root(path, &rest);
    return top < 0 ? -1 : leave_root(top, target(top, rest, leaf));
}

/* Whether the name, which was no link when it was looked at, was one when it was opened. */
static bool is_link_now(int folder, const char *leaf, int fd, int error) {
    struct stat st;
    if (fd >= 0) return fstat(fd, &st) == 0 && S_ISLNK(st.st_mode);
    return error == ELOOP || (error == ENOTDIR && is_raced(folder, leaf));
}

static int open_leaf(int top, const char *path, int flags) {
    char leaf[NAME_BYTES + 1];
    for (int i = 0; i < RACES_MAX; i++) {
        int folder = target(top, path, leaf);
        if (folder < 0) return -1;
        int fd = openat(folder, leaf, flags | O_NOFOLLOW | O_CLOEXEC);
        int error = errno;
        bool raced = is_link_now(folder, leaf, fd, error);
        (void)close_fd(folder);
        errno = error;
        if (!raced) return fd;
        (void)close_fd(fd);
    }
    errno = EAGAIN;
    return -1;
}

static int open_any(int top, const char *path, int flags) {
    int fd = by_kernel ? kernel_open(top, path, flags) : -1;
    return kernel_knows(fd) ? fd : open_leaf(top, path, flags);
}

int resolve_directory(const char *path) {
    const char *rest;
    int top = enter_root(path, &rest);
    return top < 0 ? -1 : leave_root(top, open_any(top, rest, O_RDONLY | O_DIRECTORY | O_NONBLOCK));
}

static int kind_error(mode_t mode) { return S_ISREG(mode) ? 0 : S_ISDIR(mode) ? EISDIR : ENOTSUP; }

static int open_file(int top, const char *path, struct stat *st) {
    /* First only a look, since opening a pipe or a device already does something. */
    int look = open_any(top, path, O_PATH);
    if (look < 0) return -1;
    if (fstat(look, st) != 0) return reject(look, errno);
    (void)close_fd(look);
    if (kind_error(st->st_mode) != 0) return reject(-1, kind_error(st->st_mode));
    int fd = open_any(top, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) return -1;
    if (fstat(fd, st) != 0) return reject(fd, errno);
    if (kind_error(st->st_mode) != 0) return reject(fd, kind_error(st->st_mode));
    return fd;
}

int resolve_file(const char *path, struct stat *st) {
    const char *rest;
    int top = enter_root(path, &rest);
    return top < 0 ? -1 : leave_root(top, open_file(top, rest, st));
}
