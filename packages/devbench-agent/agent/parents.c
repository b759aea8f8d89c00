#include "parents.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "limits.h"
#include "resolve.h"
#include "roots.h"
#include "util.h"

static int make_folder(const char *path, bool *made) {
    char leaf[NAME_BYTES + 1];
    int folder = resolve_target(path, leaf);
    if (folder < 0) return -1;
    *made = mkdirat(folder, leaf, 0755) == 0;
    int error = errno;
    (void)close_fd(folder);
    errno = error;
    return *made || error == EEXIST ? 0 : -1;
}

static int enter(int at, const char *name) { return openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC); }

static int enter_or_make(int at, const char *name, bool *made) {
    int fd = enter(at, name);
    if (fd >= 0 || errno != ENOENT) return fd;
    *made = mkdirat(at, name, 0755) == 0;
    return !*made && errno != EEXIST ? -1 : enter(at, name);
}

/* A link or "..": what stands before the end of `prefix` is resolved anew from its root. */
static int enter_resolved(const char *prefix, bool *made) {
    char folder[PATH_BYTES + 3];
    char leaf[NAME_BYTES + 1];
    if (make_folder(prefix, made) != 0) return -1;
    (void)snprintf(folder, sizeof folder, "%s/.", prefix);
    return resolve_parent(folder, leaf);
}

static int step_into(int at, const char *path, size_t begin, size_t end, bool *made) {
    char prefix[PATH_BYTES + 1];
    memcpy(prefix, path, end);
    prefix[end] = 0;
    const char *name = prefix + begin;
    if (strcmp(name, "..") == 0) return enter_resolved(prefix, made);
    int fd = enter_or_make(at, name, made);
    return fd >= 0 || (errno != ENOTDIR && errno != ELOOP) ? fd : enter_resolved(prefix, made);
}

/* The next name that is a parent's; false: there are no more. */
static bool next_parent(const char *path, size_t *begin, size_t *end) {
    *begin = *end + strspn(path + *end, "/");
    *end = *begin + strcspn(path + *begin, "/");
    return path[*end + strspn(path + *end, "/")] != 0;
}

/* `end`: where in the path the name of its root ends. */
static int begin_at_root(const char *path, size_t *end) {
    const char *rest;
    int at = roots_open(path, &rest);
    *end = (size_t)(rest - path);
    return at;
}

/* From folder to folder, so that a deep path costs no more than its length. */
int parents_make(const char *path, size_t *made) {
    size_t first = 0;
    size_t begin;
    size_t end;
    int at = begin_at_root(path, &end);
    while (at >= 0 && next_parent(path, &begin, &end)) {
        bool fresh = false;
        int next = step_into(at, path, begin, end, &fresh);
        int error = errno;
        if (fresh && first == 0) first = end;
        (void)close_fd(at);
        errno = error;
        at = next;
    }
    int error = errno;
    if (at < 0 && first != 0) parents_unmake(path, first);
    else if (first != 0 && *made == 0) *made = first;
    errno = error;
    if (at < 0) return -1;
    (void)close_fd(at);
    return 0;
}

static bool unmake(const char *path, size_t end) {
    char prefix[PATH_BYTES + 1];
    char leaf[NAME_BYTES + 1];
    memcpy(prefix, path, end);
    prefix[end] = 0;
    int folder = resolve_target(prefix, leaf);
    if (folder < 0) return errno == ENOENT;
    bool gone = unlinkat(folder, leaf, AT_REMOVEDIR) == 0 || errno == ENOENT;
    (void)close_fd(folder);
    return gone;
}

/* The end of the name before the one that begins at, or behind, this place. */
static size_t end_before(const char *path, size_t at) {
    while (at > 0 && path[at - 1] == '/') at--;
    while (at > 0 && path[at - 1] != '/') at--;
    while (at > 0 && path[at - 1] == '/') at--;
    return at;
}

void parents_unmake(const char *path, size_t made) {
    size_t end = end_before(path, strlen(path));
    while (end >= made && end > 0 && unmake(path, end)) end = end_before(path, end);
}

int parents_nearest(const char *path) {
    size_t begin;
    size_t end;
    int at = begin_at_root(path, &end);
    while (at >= 0 && next_parent(path, &begin, &end)) {
        char name[NAME_BYTES + 1];
        if (end - begin > NAME_BYTES) return close_fd(at);
        memcpy(name, path + begin, end - begin);
        name[end - begin] = 0;
        int next = strcmp(name, "..") == 0 ? -1 : enter(at, name);
        if (next < 0 && strcmp(name, "..") != 0 && errno == ENOENT) return at;
        (void)close_fd(at);
        at = next;
    }
    return close_fd(at);
}
