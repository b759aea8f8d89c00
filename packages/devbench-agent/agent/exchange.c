#include "exchange.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "limits.h"

#ifdef RENAME_NOREPLACE
#undef RENAME_NOREPLACE
#undef RENAME_EXCHANGE
#endif
#define RENAME_NOREPLACE 1u
#define RENAME_EXCHANGE 2u

static bool by_kernel = true;

void exchange_init(bool use_kernel) { by_kernel = use_kernel; }
bool exchange_is_atomic(void) { return by_kernel; }

static bool unsupported(void) { return errno == ENOSYS || errno == EINVAL || errno == EPERM || errno == ENOTSUP; }

static int rename_across(int folder, const char *from, int to_folder, const char *to, unsigned flags) {
    if (!by_kernel) {
        errno = ENOSYS;
        return -1;
    }
    return (int)syscall(SYS_renameat2, folder, from, to_folder, to, flags);
}

static int rename_with(int folder, const char *from, const char *to, unsigned flags) {
    return rename_across(folder, from, folder, to, flags);
}

int exchange_create(int folder, const char *temp, const char *name) { return exchange_move(folder, temp, folder, name); }

int exchange_move(int folder, const char *from, int to_folder, const char *to) {
    struct stat st;
    if (rename_across(folder, from, to_folder, to, RENAME_NOREPLACE) == 0) return 0;
    if (!unsupported()) return -1;
    /* A second link fails when the name is taken, which is the same answer in two steps. */
    if (linkat(folder, from, to_folder, to, 0) == 0) {
        (void)unlinkat(folder, from, 0);
        return 0;
    }
    if (errno == EEXIST) return -1;
    /* No links either: still exact among the agent's own writers, who take turns. */
    if (fstatat(to_folder, to, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        errno = EEXIST;
        return -1;
    }
    return renameat(folder, from, to_folder, to);
}

int exchange_swap(int folder, const char *name, int to_folder, const char *to) {
    if (rename_across(folder, name, to_folder, to, RENAME_EXCHANGE) == 0) return 0;
    if (unsupported()) errno = ENOSYS;
    return -1;
}

/* The change time is left out: being renamed changes it. */
bool exchange_same(const struct stat *a, const struct stat *b) {
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
           a->st_mtim.tv_sec == b->st_mtim.tv_sec && a->st_mtim.tv_nsec == b->st_mtim.tv_nsec;
}

/* What came out is not what was expected: it goes back, and if meanwhile something newer stands under the name,
 * that one does. `ours` is the agent's own file. */
static void put_back(int folder, const char *temp, const char *name, const struct stat *ours) {
    struct stat out;
    for (int i = 0; i < PUT_BACK_TRIES; i++) {
        if (rename_with(folder, temp, name, RENAME_EXCHANGE) != 0) {
            /* The name was removed meanwhile; then removed it stays, and the caller drops the temporary one. */
            return;
        }
        if (fstatat(folder, temp, &out, AT_SYMLINK_NOFOLLOW) != 0 || out.st_ino == ours->st_ino) return;
    }
}

static int plain(int folder, const char *temp, const char *name, const struct stat *before) {
    struct stat st;
    if (fstatat(folder, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !exchange_same(&st, before)) {
        errno = ESTALE;
        return -1;
    }
    return renameat(folder, temp, folder, name);
}

int exchange_conditional(int folder, const char *temp, const char *name, const struct stat *before) {
    struct stat ours;
    struct stat out;
    if (fstatat(folder, temp, &ours, AT_SYMLINK_NOFOLLOW) != 0) return -1;
    if (rename_with(folder, temp, name, RENAME_EXCHANGE) != 0) {
        if (errno == ENOENT) errno = ESTALE;
        return unsupported() ? plain(folder, temp, name, before) : -1;
    }
    if (fstatat(folder, temp, &out, AT_SYMLINK_NOFOLLOW) != 0 || exchange_same(&out, before)) {
        (void)unlinkat(folder, temp, 0);
        return 0;
    }
    put_back(folder, temp, name, &ours);
    errno = ESTALE;
    return -1;
}

int exchange_move_over(int folder, const char *from, int to_folder, const char *to, const struct stat *before) {
    struct stat out;
    if (rename_across(folder, from, to_folder, to, RENAME_EXCHANGE) != 0) {
        if (errno == ENOENT) errno = ESTALE;
        if (!unsupported()) return -1;
        bool same = fstatat(to_folder, to, &out, AT_SYMLINK_NOFOLLOW) == 0 && exchange_same(&out, before);
        errno = ESTALE;
        return same ? renameat(folder, from, to_folder, to) : -1;
    }
    if (fstatat(folder, from, &out, AT_SYMLINK_NOFOLLOW) != 0 || exchange_same(&out, before)) {
        (void)unlinkat(folder, from, 0);
        return 0;
    }
    (void)rename_across(folder, from, to_folder, to, RENAME_EXCHANGE);
    errno = ESTALE;
    return -1;
}
