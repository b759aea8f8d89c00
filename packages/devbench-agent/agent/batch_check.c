/* Before anything is changed: whether an operation of a batch could be carried out now. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "listing.h"
#include "resolve.h"

int batch_place(const struct record *r, char leaf[NAME_BYTES + 1]) {
    bool follow = r->kind == B_WRITE && !(r->flags & B_NO_FOLLOW);
    int folder = follow ? resolve_target(record_path(r), leaf) : resolve_parent(record_path(r), leaf);
    if (folder < 0 || strcmp(leaf, ".") != 0) return folder;
    (void)close_fd(folder);
    errno = EINVAL; /* the workspace itself */
    return -1;
}

bool batch_empty(int folder, const char *name) {
    struct listing l;
    int fd = openat(folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    bool read = fd >= 0 && listing_read(&l, fd);
    bool empty = read && listing_next(&l) == NULL;
    (void)close_fd(fd);
    return empty || !read; /* where it cannot be read, its removal tells */
}

static int matches(const struct record *r, const struct stat *st) {
    char now[ETAG_TEXT];
    if (!(r->flags & B_IF_MATCH)) return 0;
    if (!S_ISREG(st->st_mode)) return EINVAL;
    etag_of(st, now);
    return strcmp(now, record_match(r)) == 0 ? 0 : ESTALE;
}

static int look_content(const struct record *r, int folder, const char *leaf, const struct stat *st) {
    if (S_ISDIR(st->st_mode)) return r->flags & B_CREATE ? EEXIST : EISDIR;
    bool replaceable = S_ISREG(st->st_mode) || (S_ISLNK(st->st_mode) && (r->kind != B_WRITE || (r->flags & B_NO_FOLLOW)));
    if (r->flags & B_CREATE) return EEXIST;
    if (!replaceable) return S_ISLNK(st->st_mode) ? ELOOP : ENOTSUP;
    /* The folder alone would allow it: a name can be given anew. But it is the file that is asked to be written. */
    if (S_ISREG(st->st_mode) && faccessat(folder, leaf, W_OK, 0) != 0) return errno;
    return matches(r, st);
}

static int look_delete(const struct record *r, int folder, const char *leaf, const struct stat *st) {
    if (!S_ISDIR(st->st_mode)) return matches(r, st);
    if (r->flags & B_IF_MATCH) return EINVAL;
    return (r->flags & B_RECURSIVE) || batch_empty(folder, leaf) ? 0 : ENOTEMPTY;
}

/* What stands at the operation's path now, and whether that may be. */
int batch_look(const struct record *r, int folder, const char *leaf, struct stat *st, bool *absent) {
    bool makes = r->kind == B_WRITE || r->kind == B_LINK || r->kind == B_HARD_LINK || r->kind == B_MKDIR;
    *absent = fstatat(folder, leaf, st, AT_SYMLINK_NOFOLLOW) != 0;
    if (*absent) return errno != ENOENT ? errno : makes && !(r->flags & B_IF_MATCH) ? 0 : ENOENT;
    switch (r->kind) {
    case B_DELETE: return look_delete(r, folder, leaf, st);
    case B_MKDIR: return r->flags & B_MAY_EXIST ? 0 : EEXIST;
    case B_MOVE: return matches(r, st);
    case B_DRESS: return S_ISDIR(st->st_mode) ? 0 : ENOTDIR;
    default: return look_content(r, folder, leaf, st);
    }
}

static int look_target(const struct job *j, const struct record *r) {
    char leaf[NAME_BYTES + 1];
    struct stat st;
    int error = 0;
    int folder = resolve_parent(record_other(r), leaf);
    if (folder < 0) return errno;
    if (strcmp(leaf, ".") == 0) error = EINVAL;
    else if (fstatat(folder, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0)
        error = !(r->flags & B_REPLACE) ? EEXIST : S_ISDIR(st.st_mode) ? EISDIR : 0;
    else if (errno != ENOENT) error = errno;
    if (error == 0 && faccessat(folder, ".", W_OK | X_OK, 0) != 0) error = errno;
    if (error == 0 && (fstat(folder, &st) != 0 || st.st_dev != batch_of(j)->dev)) error = EMEDIUMTYPE;
    (void)close_fd(folder);
    return error;
}

/* EMEDIUMTYPE stands for "on another file system", which names nothing that could be renamed into. */
static int look_here(struct job *j, const struct record *r, int folder, const char *leaf) {
    struct stat st;
    bool absent;
    int error = batch_look(r, folder, leaf, &st, &absent);
    if (error != 0) return error;
    if (r->kind == B_MKDIR && !absent) {
        int fd = resolve_directory(record_path(r));
        (void)close_fd(fd);
        return fd >= 0 ? 0 : EEXIST;
    }
    if (r->kind != B_DRESS && faccessat(folder, ".", W_OK | X_OK, 0) != 0) return errno;
    if (fstat(folder, &st) != 0) return errno;
    if (st.st_dev != batch_of(j)->dev) return EMEDIUMTYPE;
    return r->kind == B_MOVE ? look_target(j, r) : 0;
}

int batch_check(struct job *j) {
    char leaf[NAME_BYTES + 1];
    struct batch *b = batch_of(j);
    int folder = batch_place(&b->r, leaf);
    int error = folder < 0 ? errno : look_here(j, &b->r, folder, leaf);
    (void)close_fd(folder);
    if (error != 0 && touched_before(b)) error = 0; /* its turn tells */
    touched_add(b);
    return error;
}
