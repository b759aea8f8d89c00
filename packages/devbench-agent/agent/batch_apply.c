/* Carrying an operation of a batch out, so that afterwards the staging folder tells whether it was: also of one that was
 * carried out before this agent's time. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "copying.h"
#include "exchange.h"
#include "observer.h"
#include "resolve.h"

/* What is about to be replaced keeps what a WRITE would keep. */
static int dress_as(struct job *j, const char *staged, int folder, const char *leaf, const struct stat *before) {
    const struct record *r = &batch_of(j)->r;
    if (r->kind != B_WRITE || !S_ISREG(before->st_mode)) return 0;
    /* It may have a mode already that its own owner may not open. */
    if (fchmodat(j->top, staged, 0600, 0) != 0) return errno;
    int fd = openat(j->top, staged, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno;
    mode_t mode = before->st_mode & (copy_owner(fd, before) ? 07777 : 0777);
    int error = copy_attributes_of(folder, leaf, fd) == 0 ? 0 : errno;
    if (error == 0 && fchmod(fd, r->mode != UINT32_MAX ? (mode_t)r->mode : mode) != 0) error = errno;
    (void)close_fd(fd);
    return error;
}

/* Whether what came out is what may be replaced: with a condition exactly that, else anything but a folder. */
static bool may_go(const struct record *r, const struct stat *out, const struct stat *before) {
    return r->flags & B_IF_MATCH ? exchange_same(out, before) : !S_ISDIR(out->st_mode);
}

/* Kernels and file systems that cannot exchange: the old one is kept by a second name, or moved aside for a moment. */
static int replace_plainly(int top, const struct record *r, const char *staged, int folder, const char *leaf,
                           const struct stat *before) {
    char kept[STAGED_NAME];
    struct stat out;
    kept_name(r->index, kept);
    (void)unlinkat(top, kept, 0);
    if (linkat(folder, leaf, top, kept, 0) != 0 && renameat(folder, leaf, top, kept) != 0) return errno;
    batch_point("half");
    if (fstatat(top, kept, &out, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    if (!may_go(r, &out, before)) {
        if (exchange_move(top, kept, folder, leaf) != 0) (void)unlinkat(top, kept, 0); /* it is there still */
        return ESTALE;
    }
    return renameat(top, staged, folder, leaf) == 0 ? 0 : errno;
}

static int replace(struct job *j, const char *staged, int folder, const char *leaf, const struct stat *before) {
    const struct record *r = &batch_of(j)->r;
    struct stat out;
    int error = dress_as(j, staged, folder, leaf, before);
    if (error != 0) return error;
    if (exchange_swap(j->top, staged, folder, leaf) != 0) {
        if (errno == ENOSYS) return replace_plainly(j->top, r, staged, folder, leaf, before);
        return errno == ENOENT ? ESTALE : errno;
    }
    if (fstatat(j->top, staged, &out, AT_SYMLINK_NOFOLLOW) == 0 && may_go(r, &out, before)) return 0;
    batch_point("half");
    /* Somebody was faster: his goes back, and should he have been faster still, that stays. */
    for (int i = 0; i < PUT_BACK_TRIES; i++) {
        if (exchange_swap(j->top, staged, folder, leaf) != 0) return ESTALE;
        if (fstatat(j->top, staged, &out, AT_SYMLINK_NOFOLLOW) != 0 || out.st_ino == r->ino) return ESTALE;
    }
    return ESTALE;
}

/* -1: not carried out yet; else the answer. */
static int staged_state(struct job *j, const char *staged, struct stat *st) {
    struct batch *b = batch_of(j);
    if (fstatat(j->top, staged, st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT && b->recovering ? 0 : errno == ENOENT ? EIO : errno;
    return st->st_ino == b->r.ino ? -1 : 0;
}

static int apply_content(struct job *j, int folder, const char *leaf) {
    struct record *r = &batch_of(j)->r;
    struct stat before;
    struct stat st;
    char staged[STAGED_NAME];
    bool absent;
    staged_name(r->index, staged);
    int answer = staged_state(j, staged, &st);
    if (answer >= 0) return answer;
    bool there = fstatat(folder, leaf, &before, AT_SYMLINK_NOFOLLOW) == 0;
    if (there && before.st_ino == r->ino && before.st_dev == st.st_dev) /* a second link that was not yet taken away */
        return unlinkat(j->top, staged, 0) == 0 ? 0 : errno;
    int error = batch_look(r, folder, leaf, &before, &absent);
    if (error != 0) return error;
    if (!absent) error = replace(j, staged, folder, leaf, &before);
    else if (exchange_move(j->top, staged, folder, leaf) != 0) error = errno;
    if (error == 0) observers_note(&st, absent);
    if (error == 0 || !absent) return error;
    return error == EEXIST && !(r->flags & B_CREATE) ? ESTALE : error; /* it came in this very moment */
}

static int hide(struct job *j, int folder, const char *leaf, const char *staged, const struct stat *st) {
    if (renameat(folder, leaf, j->top, staged) == 0) return 0;
    if (errno == EXDEV) return EMEDIUMTYPE; /* a folder of another layer of the image */
    if (errno != EACCES || !S_ISDIR(st->st_mode)) return errno;
    /* A folder that its owner may not write to cannot be moved by him. */
    struct before before = {.ino = st->st_ino, .mode = st->st_mode & 07777};
    if (!journal_note(batch_of(j), &before) || fchmodat(folder, leaf, 0700, 0) != 0) return errno;
    return renameat(folder, leaf, j->top, staged) == 0 ? 0 : errno;
}

static int apply_delete(struct job *j, int folder, const char *leaf) {
    struct batch *b = batch_of(j);
    struct stat before;
    struct stat out;
    char staged[STAGED_NAME];
    bool absent;
    staged_name(b->r.index, staged);
    if (fstatat(j->top, staged, &out, AT_SYMLINK_NOFOLLOW) == 0) return b->recovering ? 0 : EIO;
    int error = batch_look(&b->r, folder, leaf, &before, &absent);
    if (error == 0) error = hide(j, folder, leaf, staged, &before);
    if (error != 0) return error;
    if (fstatat(j->top, staged, &out, AT_SYMLINK_NOFOLLOW) != 0) return errno;
    if ((b->r.flags & B_IF_MATCH) && !exchange_same(&out, &before)) error = ESTALE;
    else if (S_ISDIR(out.st_mode) && !(b->r.flags & B_RECURSIVE) && !batch_empty(j->top, staged)) error = ENOTEMPTY;
    if (error != 0 && exchange_move(j->top, staged, folder, leaf) != 0) return errno;
    return error;
}

static int apply_mkdir(struct job *j, int folder, const char *leaf) {
    const struct record *r = &batch_of(j)->r;
    struct stat st;
    char staged[STAGED_NAME];
    staged_name(r->index, staged);
    int answer = staged_state(j, staged, &st);
    if (answer < 0) {
        if (exchange_move(j->top, staged, folder, leaf) == 0) answer = 0;
        else if (errno != EEXIST || !(r->flags & B_MAY_EXIST)) return errno;
        else {
            int fd = resolve_directory(record_path(r));
            (void)close_fd(fd);
            return fd >= 0 ? 0 : EEXIST;
        }
    }
    bool ours = fstatat(folder, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0 && st.st_ino == r->ino && S_ISDIR(st.st_mode);
    if (answer == 0 && ours && (st.st_mode & 07777) != r->mode && fchmodat(folder, leaf, (mode_t)r->mode, 0) != 0) return errno;
    return answer;
}

static int replace_by_move(struct job *j, int folder, const char *leaf, int other, const char *to, const char *staged) {
    char kept[STAGED_NAME];
    if (exchange_swap(folder, leaf, other, to) == 0) {
        batch_point("half");
        return renameat(folder, leaf, j->top, staged) == 0 ? 0 : errno;
    }
    if (errno != ENOSYS) return errno;
    kept_name(batch_of(j)->r.index, kept);
    (void)unlinkat(j->top, kept, 0);
    if (linkat(other, to, j->top, kept, 0) != 0 && renameat(other, to, j->top, kept) != 0) return errno;
    batch_point("half");
    return renameat(folder, leaf, other, to) == 0 ? 0 : errno;
}

/* Carried out before this agent's time? 0 wholly, -1 not at all; half is made whole. */
static int move_state(struct job *j, int folder, const char *leaf, int other, const char *to, const char *staged) {
    const struct before *before = &batch_of(j)->r.before;
    struct stat from;
    struct stat there;
    struct stat old;
    if (!before->noted) return -1;
    bool moved = fstatat(other, to, &there, AT_SYMLINK_NOFOLLOW) == 0 && there.st_ino == before->ino;
    bool left = fstatat(folder, leaf, &from, AT_SYMLINK_NOFOLLOW) == 0;
    if (!moved) return left && from.st_ino == before->ino ? -1 : ENOENT;
    if (left && before->other_ino != 0 && from.st_ino == before->other_ino && fstatat(j->top, staged, &old, 0) != 0)
        return renameat(folder, leaf, j->top, staged) == 0 ? 0 : errno;
    return left && from.st_ino == before->ino ? (unlinkat(folder, leaf, 0) == 0 ? 0 : errno) : 0; /* a second link */
}

static int move_now(struct job *j, int folder, const char *leaf, int other, const char *to, const char *staged) {
    struct batch *b = batch_of(j);
    struct stat st;
    struct stat there;
    bool absent;
    int error = batch_look(&b->r, folder, leaf, &st, &absent);
    if (error != 0) return error;
    bool replaces = fstatat(other, to, &there, AT_SYMLINK_NOFOLLOW) == 0;
    if (replaces && !(b->r.flags & B_REPLACE)) return EEXIST;
    if (replaces && S_ISDIR(there.st_mode)) return EISDIR;
    if (replaces && there.st_ino == st.st_ino) return EINVAL;
    struct before before = {.ino = st.st_ino, .other_ino = replaces ? there.st_ino : 0};
    if (!journal_note(b, &before)) return errno;
    batch_point("half");
    if (replaces) error = replace_by_move(j, folder, leaf, other, to, staged);
    else if (exchange_move(folder, leaf, other, to) != 0) error = errno;
    if (error == EXDEV) return EMEDIUMTYPE;
    if (error != 0 || !(b->r.flags & B_IF_MATCH)) return error;
    return fstatat(other, to, &there, AT_SYMLINK_NOFOLLOW) == 0 && exchange_same(&st, &there) ? 0 : ESTALE;
}

static int apply_move(struct job *j, int folder, const char *leaf) {
    const struct record *r = &batch_of(j)->r;
    char to[NAME_BYTES + 1];
    char staged[STAGED_NAME];
    staged_name(r->index, staged);
    int other = resolve_parent(record_other(r), to);
    if (other < 0) return errno;
    int error = strcmp(to, ".") == 0 ? EINVAL : move_state(j, folder, leaf, other, to, staged);
    if (error < 0) error = move_now(j, folder, leaf, other, to, staged);
    (void)close_fd(other);
    return error;
}

static int apply_dress(struct job *j, int folder, const char *leaf) {
    struct batch *b = batch_of(j);
    struct stat st;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_nsec = UTIME_OMIT}};
    char staged[STAGED_NAME];
    /* Only what this batch has made: the folder of the operation that `size` names waits no more then. */
    if (b->r.size < b->r.index) staged_name((uint32_t)b->r.size, staged);
    if ((b->r.flags & B_CREATE) && (b->r.size >= b->r.index || fstatat(j->top, staged, &st, AT_SYMLINK_NOFOLLOW) == 0)) return 0;
    int fd = openat(folder, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return errno;
    int error = fstat(fd, &st) == 0 ? 0 : errno;
    if (error == 0 && !b->r.before.noted) {
        struct before before = {.ino = st.st_ino, .mode = st.st_mode & 07777, .mtime_s = st.st_mtim.tv_sec, .mtime_ns = st.st_mtim.tv_nsec};
        if (!journal_note(b, &before)) error = errno;
    }
    if (b->r.mtime_ns != INT64_MIN) {
        int64_t ns = b->r.mtime_ns % (int64_t)NS_PER_S;
        times[1].tv_sec = (time_t)(b->r.mtime_ns / (int64_t)NS_PER_S - (ns < 0));
        times[1].tv_nsec = (long)(ns < 0 ? ns + (int64_t)NS_PER_S : ns);
    }
    if (error == 0 && futimens(fd, times) != 0) error = errno;
    if (error == 0 && b->r.mode != UINT32_MAX && fchmod(fd, (mode_t)b->r.mode) != 0) error = errno;
    (void)close_fd(fd);
    return error;
}

int batch_apply(struct job *j) {
    char leaf[NAME_BYTES + 1];
    struct batch *b = batch_of(j);
    int error = 0;
    int folder = batch_place(&b->r, leaf);
    if (folder < 0) return errno;
    batch_point("apply");
    switch (b->r.kind) {
    case B_DELETE: error = apply_delete(j, folder, leaf); break;
    case B_MKDIR: error = apply_mkdir(j, folder, leaf); break;
    case B_MOVE: error = apply_move(j, folder, leaf); break;
    case B_DRESS: error = apply_dress(j, folder, leaf); break;
    default: error = apply_content(j, folder, leaf); break;
    }
    (void)close_fd(folder);
    return error;
}
