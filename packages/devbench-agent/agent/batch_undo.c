/* Taking an operation of a batch back, whether it was carried out wholly, half, or not at all. What somebody else has
 * changed since then stays as he left it. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "batch.h"
#include "exchange.h"
#include "resolve.h"

static bool there(int folder, const char *name, struct stat *st) { return fstatat(folder, name, st, AT_SYMLINK_NOFOLLOW) == 0; }

/* Ours, as it was staged, and nobody has written to it since. */
static bool untouched(const struct record *r, const struct stat *st) {
    return st->st_ino == r->ino && (!S_ISREG(st->st_mode) || ((uint64_t)st->st_size == r->size &&
           st->st_mtim.tv_sec == r->staged_s && st->st_mtim.tv_nsec == r->staged_ns));
}

static void undo_created(struct job *j, int folder, const char *leaf, const char *staged) {
    const struct record *r = &batch_of(j)->r;
    struct stat st;
    if (!there(folder, leaf, &st) || !untouched(r, &st) || renameat(folder, leaf, j->top, staged) != 0) return;
    if (!there(j->top, staged, &st) || !untouched(r, &st)) (void)exchange_move(j->top, staged, folder, leaf);
}

static void undo_replaced(struct job *j, int folder, const char *leaf, const char *staged) {
    const struct record *r = &batch_of(j)->r;
    struct stat st;
    if (!there(folder, leaf, &st) || !untouched(r, &st) || exchange_swap(j->top, staged, folder, leaf) != 0) return;
    if (!there(j->top, staged, &st) || !untouched(r, &st)) (void)exchange_swap(j->top, staged, folder, leaf);
}

static void undo_content(struct job *j, int folder, const char *leaf) {
    const struct record *r = &batch_of(j)->r;
    char staged[STAGED_NAME];
    char kept[STAGED_NAME];
    struct stat st;
    staged_name(r->index, staged);
    kept_name(r->index, kept);
    bool waits = there(j->top, staged, &st);
    if (waits && st.st_ino != r->ino) undo_replaced(j, folder, leaf, staged);
    else if (there(j->top, kept, &st)) {
        /* Replaced plainly, or half: the old one goes back over ours, or to where nothing is. */
        if (!waits && there(folder, leaf, &st) && untouched(r, &st)) (void)renameat(j->top, kept, folder, leaf);
        else (void)exchange_move(j->top, kept, folder, leaf);
    } else if (!waits) undo_created(j, folder, leaf, staged);
    else if (there(folder, leaf, &st) && untouched(r, &st)) (void)unlinkat(folder, leaf, 0); /* a second link */
}

static void undo_delete(struct job *j, int folder, const char *leaf) {
    const struct record *r = &batch_of(j)->r;
    char staged[STAGED_NAME];
    struct stat st;
    staged_name(r->index, staged);
    if (there(j->top, staged, &st)) (void)exchange_move(j->top, staged, folder, leaf);
    if (r->before.noted && there(folder, leaf, &st) && st.st_ino == r->before.ino && S_ISDIR(st.st_mode))
        (void)fchmodat(folder, leaf, (mode_t)(r->before.mode & 07777), 0);
}

static void undo_mkdir(struct job *j, int folder, const char *leaf) {
    const struct record *r = &batch_of(j)->r;
    char staged[STAGED_NAME];
    struct stat st;
    staged_name(r->index, staged);
    if (there(j->top, staged, &st) || !there(folder, leaf, &st) || st.st_ino != r->ino) return;
    (void)unlinkat(folder, leaf, AT_REMOVEDIR); /* with something of others in it, it stays */
}

static void undo_move(struct job *j, int folder, const char *leaf) {
    const struct record *r = &batch_of(j)->r;
    char to[NAME_BYTES + 1];
    char staged[STAGED_NAME];
    char kept[STAGED_NAME];
    struct stat st;
    int other = r->before.noted ? resolve_parent(record_other(r), to) : -1;
    if (other < 0) return;
    staged_name(r->index, staged);
    kept_name(r->index, kept);
    if (there(other, to, &st) && st.st_ino == r->before.ino) {
        if (there(j->top, staged, &st)) (void)exchange_move(j->top, staged, folder, leaf);
        bool swapped = r->before.other_ino != 0 && there(folder, leaf, &st) && st.st_ino == r->before.other_ino;
        if (swapped) (void)exchange_swap(folder, leaf, other, to);
        else if (there(folder, leaf, &st) && st.st_ino == r->before.ino) (void)unlinkat(other, to, 0); /* a second link */
        else (void)exchange_move(other, to, folder, leaf);
    }
    if (there(j->top, kept, &st)) (void)exchange_move(j->top, kept, other, to);
    (void)close_fd(other);
}

static void undo_dress(struct job *j, int folder, const char *leaf) {
    const struct before *before = &batch_of(j)->r.before;
    struct timespec times[2] = {{.tv_nsec = UTIME_OMIT}, {.tv_sec = (time_t)before->mtime_s, .tv_nsec = (long)before->mtime_ns}};
    struct stat st;
    int fd = before->noted ? openat(folder, leaf, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC) : -1;
    if (fd < 0) return;
    if (fstat(fd, &st) == 0 && st.st_ino == before->ino) {
        (void)!fchmod(fd, (mode_t)(before->mode & 07777));
        (void)!futimens(fd, times);
    }
    (void)close_fd(fd);
}

void batch_undo(struct job *j) {
    char leaf[NAME_BYTES + 1];
    const struct record *r = &batch_of(j)->r;
    int folder = batch_place(r, leaf);
    if (folder < 0) return; /* where nothing can be reached nothing was done */
    batch_point("undo");
    switch (r->kind) {
    case B_DELETE: undo_delete(j, folder, leaf); break;
    case B_MKDIR: undo_mkdir(j, folder, leaf); break;
    case B_MOVE: undo_move(j, folder, leaf); break;
    case B_DRESS: undo_dress(j, folder, leaf); break;
    default: undo_content(j, folder, leaf); break;
    }
    (void)close_fd(folder);
}

/* ---- what there is to tell afterwards ---- */

static int tell_folder(const struct record *r, char leaf[NAME_BYTES + 1]) {
    return r->kind == B_MOVE ? resolve_parent(record_other(r), leaf) : batch_place(r, leaf);
}

void batch_result(struct job *j, struct stat *st, bool *created, int *folder, char leaf[NAME_BYTES + 1]) {
    struct batch *b = batch_of(j);
    char staged[STAGED_NAME];
    char kept[STAGED_NAME];
    struct stat old;
    memset(st, 0, sizeof *st);
    staged_name(b->r.index, staged);
    kept_name(b->r.index, kept);
    bool makes = b->r.kind != B_DELETE && b->r.kind != B_MOVE && b->r.kind != B_DRESS;
    *created = makes && !there(j->top, staged, &old) && !there(j->top, kept, &old);
    *folder = b->r.kind == B_DELETE ? -1 : tell_folder(&b->r, leaf);
    if (*folder >= 0 && !there(*folder, leaf, st)) memset(st, 0, sizeof *st); /* somebody took it away since */
    if (b->r.kind != B_WRITE || !S_ISREG(st->st_mode)) return;
    if (untouched(&b->r, st)) etag_of(st, j->etag);
    else etag_unsettled(j->etag);
}
