#include "observer.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "job.h"
#include "resolve.h"
#include "util.h"

#define NOTED_MAX 64
#define GATHER_MAX_MS 1000
#define HELD_MS 5 /* the halves of a move come together */

static struct observer observers[OBSERVERS_MAX];
static struct noted {
    dev_t dev;
    ino_t ino;
    bool created;
} noted[NOTED_MAX];
static unsigned noted_next;

void observers_note(const struct stat *st, bool created) {
    noted[noted_next++ % NOTED_MAX] = (struct noted){st->st_dev, st->st_ino, created};
}

bool observers_was_created(const struct stat *st) {
    for (unsigned i = 1; i <= NOTED_MAX; i++) { /* the newest first: inodes are used again */
        const struct noted *n = &noted[(noted_next - i) % NOTED_MAX];
        if (n->ino == st->st_ino && n->dev == st->st_dev) return n->created;
    }
    return false;
}

struct observer *observer_find(uint64_t id, const char *path, uint32_t flags) {
    for (size_t i = 0; i < OBSERVERS_MAX; i++) {
        struct observer *o = &observers[i];
        if (id != 0 && o->id == id) return !o->gone && o->flags == flags && strcmp(o->path, path) == 0 ? o : NULL;
    }
    return NULL;
}

void observer_close(struct observer *o) {
    watch_close(&o->watch);
    o->scan_fd = close_fd(o->scan_fd);
    private_unmap(o->nodes, OBSERVED_FOLDERS_MAX * sizeof(struct node));
    o->nodes = NULL;
    changes_close(&o->changes);
    o->id = 0;
}

/* A free one, else the one that nobody waits for and nobody asked for the longest time. */
static struct observer *take(void) {
    struct observer *oldest = NULL;
    for (size_t i = 0; i < OBSERVERS_MAX; i++) {
        struct observer *o = &observers[i];
        if (o->id == 0) return o;
        if (!jobs_wait_for(o->id) && (oldest == NULL || o->asked_at < oldest->asked_at)) oldest = o;
    }
    if (oldest != NULL) observer_close(oldest);
    return oldest;
}

static int open_folder(struct observer *o) {
    char leaf[NAME_BYTES + 1];
    struct stat st;
    int fd = resolve_directory(o->path);
    if (fd >= 0 || errno != ENOTDIR) return fd;
    int folder = resolve_target(o->path, leaf);
    if (folder < 0) return -1;
    if (fstatat(folder, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) {
        int error = errno;
        (void)close_fd(folder);
        errno = error;
        return -1;
    }
    memcpy(o->only, leaf, sizeof leaf);
    return folder;
}

static bool open_watch(struct observer *o) {
    int folder = open_folder(o);
    if (folder < 0) return false;
    o->watch.fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    o->watch.ready = notices_ready;
    bool fine = o->watch.fd >= 0 && watch_want(&o->watch, EPOLLIN) && node_root(o, folder);
    int error = errno == ENOSPC ? EMLINK : errno; /* the kernel's limit of watches is no full disk */
    (void)close_fd(folder);
    errno = error;
    return fine;
}

struct observer *observer_open(const char *path, uint32_t flags, uint32_t debounce_ms) {
    struct observer *o = take();
    if (o == NULL) {
        errno = EMFILE;
        return NULL;
    }
    memset(o, 0, sizeof *o);
    o->watch.fd = o->scan_fd = -1;
    o->flags = flags;
    o->debounce_ms = debounce_ms;
    o->todo_first = o->todo_last = o->spare = NO_NODE;
    memset(o->buckets, 0xFF, sizeof o->buckets);
    memcpy(o->path, path, strlen(path) + 1);
    o->nodes = private_map(OBSERVED_FOLDERS_MAX * sizeof(struct node));
    bool fine = changes_open(&o->changes) && o->nodes != NULL && random_fill(&o->id, sizeof o->id) && open_watch(o);
    if (!fine) {
        int error = errno;
        observer_close(o);
        errno = error;
        return NULL;
    }
    o->id |= 1; /* never 0 */
    return o;
}

void observer_wanted(struct observer *o) { o->asked_at = now_ns(); }

/* When what is fresh is told. What is found in a new folder and what the kernel tells of it are the same, so both are
 * awaited, but not for ever. */
static uint64_t due_at(const struct observer *o, bool busy) {
    uint64_t due = o->changes.fresh_since + o->debounce_ms * NS_PER_MS;
    return busy || o->unread ? due + GATHER_MAX_MS * NS_PER_MS : due;
}

static uint64_t run_one(struct observer *o, uint64_t now) {
    bool was = o->baseline;
    uint64_t until = o->asked_at + OBSERVER_LINGER_SECONDS * NS_PER_S;
    bool waited = jobs_wait_for(o->id);
    if (o->gone || (now >= until && !waited)) {
        observer_close(o);
        jobs_wake(F_WATCH);
        return NEVER;
    }
    bool busy = scan_step(o, now);
    if (o->held.any && now >= o->held.since + HELD_MS * NS_PER_MS) notices_flush(o, now);
    uint64_t next = o->held.any ? o->held.since + HELD_MS * NS_PER_MS : waited ? NEVER : until;
    if (o->changes.fresh_since != NEVER) {
        uint64_t due = due_at(o, busy);
        if (now < due) next = due < next ? due : next;
        else if (changes_publish(&o->changes)) jobs_wake(F_WATCH);
    }
    if (was != o->baseline) jobs_wake(F_WATCH);
    return busy ? now : next;
}

uint64_t observers_run(uint64_t now) {
    uint64_t next = NEVER;
    for (size_t i = 0; i < OBSERVERS_MAX; i++) {
        if (observers[i].id == 0) continue;
        uint64_t at = run_one(&observers[i], now);
        if (at < next) next = at;
    }
    return next;
}
