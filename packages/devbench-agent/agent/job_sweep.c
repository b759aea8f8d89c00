/* At the start, what an earlier agent left under hidden names is removed: temporary files, copies in the making, the
 * staging folders of batches that are over, and folders that were being deleted. What another living agent works on (of
 * another user, or in another container with the same files) is left alone: he holds a lock on it.
 *
 * All of it lies where the container's processes may write, so nothing is believed: no link is followed, no mount point
 * entered within what is taken apart, and each piece of work is short and bounded. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "apart.h"
#include "batch.h"
#include "job.h"
#include "listing.h"
#include "resolve.h"
#include "roots.h"
#include "unnamed.h"
#include "util.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define FILE_FLAGS (O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC)
#define AHEAD_MS 1000 /* a file's time from a server's clock may lie so far in the future */

struct level {
    int fd; /* -1: deeper than SWEEP_HELD, and not the innermost */
    dev_t dev;
    ino_t ino;
    int64_t position; /* where to go on after coming back */
};

struct sweep {
    struct apart apart;
    struct listing names; /* of the innermost level */
    unsigned depth, pass;
    bool again;
    uint64_t until;
    struct level levels[SWEEP_DEPTH];
    size_t root; /* the next one */
    bool looked; /* the next was found out */
    struct stat own; /* what a file of ours looks like in this root */
};

/* ---- the way through the folders ---- */

static void open_level(struct sweep *s, int at, const char *name) {
    struct stat st;
    int fd = openat(at, name, FOLDER_FLAGS);
    note_fd(fd);
    /* One that may not be searched has nothing that could be removed, and no way back. */
    if (fd < 0 || fstat(fd, &st) != 0 || faccessat(fd, ".", X_OK, 0) != 0) {
        (void)close_fd(fd);
        return;
    }
    if (s->depth > 0) {
        struct level *above = &s->levels[s->depth - 1];
        above->position = s->names.after;
        if (s->depth > SWEEP_HELD) above->fd = close_fd(above->fd);
    }
    s->levels[s->depth++] = (struct level){fd, st.st_dev, st.st_ino, 0};
    s->names.at = s->names.n = 0;
}

static int open_above(int fd, const struct level *wanted) {
    struct stat st;
    int above = openat(fd, "..", FOLDER_FLAGS);
    if (above >= 0 && fstat(above, &st) == 0 && st.st_dev == wanted->dev && st.st_ino == wanted->ino) return above;
    return close_fd(above);
}

static void leave_level(struct sweep *s) {
    struct level *left = &s->levels[--s->depth];
    if (s->depth > 0 && left[-1].fd < 0) left[-1].fd = open_above(left->fd, &left[-1]);
    left->fd = close_fd(left->fd);
    /* Somebody moved a folder away meanwhile: what is left of those up to one that is still open waits for another pass. */
    while (s->depth > 0 && s->levels[s->depth - 1].fd < 0) {
        s->depth--;
        s->again = true;
    }
    s->names.at = s->names.n = 0;
    if (s->depth == 0) return;
    struct level *here = &s->levels[s->depth - 1];
    if (lseek(here->fd, here->position, SEEK_SET) < 0) s->again = true;
}

/* ---- what was left over ---- */

static bool is_young(const struct stat *st) {
    struct timespec now;
    if (clock_gettime(CLOCK_REALTIME_COARSE, &now) != 0) return false;
    int64_t age_ms = ((int64_t)now.tv_sec - st->st_ctim.tv_sec) * 1000 + (now.tv_nsec - st->st_ctim.tv_nsec) / 1000000;
    return age_ms < SWEEP_YOUNG_MS && age_ms > -AHEAD_MS;
}

/* Whether another agent, alive, works on it. What cannot be opened shows no lock, so there its owner tells: our own open
 * their files to themselves. */
static bool is_anothers(int fd, const struct stat *st) {
    if (fd < 0) return st->st_uid != geteuid();
    return flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
}

static void remove_file(struct sweep *s, int at, const char *name, const struct stat *st) {
    int fd = -1;
    if (S_ISREG(st->st_mode)) {
        fd = openat(at, name, O_RDONLY | FILE_FLAGS);
        if (fd < 0 && errno == EACCES) fd = openat(at, name, O_WRONLY | FILE_FLAGS);
        note_fd(fd);
    }
    if (is_anothers(fd, st) || unlinkat(at, name, 0) == 0) s->again = true;
    (void)close_fd(fd);
}

/* Of a batch that was committed all must be carried out before it may go, and that is not for the sweep to do. */
static bool is_committed(int fd, const char *name) {
    struct stat st;
    if (strncmp(name, BATCH_PREFIX, sizeof BATCH_PREFIX - 1) != 0) return false;
    return fstatat(fd, JOURNAL_COMMITTED, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode);
}

/* Of a mount point rmdir says that it is busy, whatever is in it. */
static bool is_full(int at, const char *name) {
    return unlinkat(at, name, AT_REMOVEDIR) != 0 && (errno == ENOTEMPTY || errno == EEXIST);
}

static void remove_folder(struct sweep *s, int at, const char *name, const struct stat *st) {
    int fd = openat(at, name, FOLDER_FLAGS);
    s->again = true;
    bool goes = !is_anothers(fd, st) && is_full(at, name);
    if (goes && fd < 0) {
        fd = open_to_empty(at, name);
        goes = fd >= 0 && !is_anothers(fd, st);
    }
    note_fd(fd);
    if (goes && fchmod(fd, 0700) == 0 && !is_committed(fd, name)) apart_begin(&s->apart, at, name, fd);
    else (void)close_fd(fd);
}

/* The workspace is the container's; a further root may be anybody's, such as /tmp, and so what lies there. */
static bool is_for_us(struct sweep *s, const struct stat *st) {
    if (s->root == 1) return true; /* the next after the workspace */
    if (!s->looked) unnamed_looks(s->levels[0].fd, &s->own);
    s->looked = true;
    return st->st_uid == s->own.st_uid;
}

static void left_over(struct sweep *s, int at, const char *name) {
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !is_for_us(s, &st)) return;
    if (is_young(&st)) s->again = true;
    else if (S_ISDIR(st.st_mode)) remove_folder(s, at, name, &st);
    else remove_file(s, at, name, &st);
}

/* ---- its turns ---- */

static void look(struct sweep *s) {
    const struct level *here = &s->levels[s->depth - 1];
    const char *name = listing_next(&s->names);
    if (name == NULL && (!listing_read(&s->names, here->fd) || s->names.n == 0)) {
        leave_level(s);
        return;
    }
    if (name == NULL) return;
    bool may_be_folder = s->names.type == DT_DIR || s->names.type == DT_UNKNOWN;
    if (strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) left_over(s, here->fd, name);
    else if (may_be_folder && s->depth < SWEEP_DEPTH) open_level(s, here->fd, name);
}

static struct sweep *begin(struct job *j) {
    j->map_bytes = sizeof(struct sweep);
    struct sweep *s = j->map = private_map(j->map_bytes);
    if (s == NULL) return NULL;
    s->apart.top = s->apart.lower = -1;
    s->until = now_ns() + SWEEP_SECONDS * NS_PER_S;
    return s;
}

static bool next_root(struct sweep *s) {
    while (s->depth == 0 && s->root < roots_count()) {
        int fd = resolve_directory(roots_name(s->root++));
        s->looked = false;
        if (fd < 0) continue; /* nothing is there (yet) */
        open_level(s, fd, ".");
        (void)close_fd(fd);
    }
    return s->depth > 0;
}

static enum step end_of_pass(struct job *j, struct sweep *s) {
    if (!s->again || s->pass + 1 == SWEEP_PASSES) return STEP_DONE;
    j->wake = now_ns() + SWEEP_AGAIN_MS * (s->pass == 0 ? 1 : SWEEP_AGAIN_FACTOR) * NS_PER_MS;
    s->again = false;
    s->pass++;
    s->root = 0;
    return STEP_WAIT;
}

static enum step stop(struct sweep *s) {
    s->apart.lower = close_fd(s->apart.lower);
    s->apart.top = close_fd(s->apart.top);
    for (unsigned i = 0; i < s->depth; i++) (void)close_fd(s->levels[i].fd);
    return STEP_DONE;
}

enum step sweep_step(struct job *j) {
    struct sweep *s = j->map != NULL ? j->map : begin(j);
    if (s == NULL) return STEP_DONE;
    uint64_t now = now_ns();
    if (now >= s->until) return stop(s);
    for (uint64_t until = now + SWEEP_STEP_US * 1000; now < until; now = now_ns()) {
        if (apart_goes_on(&s->apart)) apart_step(&s->apart);
        else if (s->depth > 0) look(s);
        else if (!next_root(s)) return end_of_pass(j, s);
    }
    j->wake = now + SWEEP_REST_MS * NS_PER_MS;
    return STEP_WAIT;
}
