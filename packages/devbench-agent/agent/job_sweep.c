/* At the start, temporary files that an earlier agent left are removed, unless another agent holds them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "job.h"
#include "listing.h"
#include "resolve.h"
#include "roots.h"
#include "util.h"

struct level {
    int fd;
    int64_t position; /* where to go on after coming back */
};

struct sweep {
    struct level levels[SWEEP_DEPTH];
    unsigned depth;
    size_t root; /* the next one */
};

static bool open_level(struct sweep *s, int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) return false;
    s->levels[s->depth++] = (struct level){fd, 0};
    return true;
}

static void remove_left_over(int at, const char *name) {
    int fd = openat(at, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    /* An unreadable one (mode 0) of our own is nobody's upload: those are 0600. A held one is left alone. */
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
    /* Folders of unfinished deletions stay hidden until deleted anew; unfinished copies are nobody's. */
    if (!held && unlinkat(at, name, 0) != 0 && strncmp(name, COPY_PREFIX, sizeof COPY_PREFIX - 1) == 0) {
        int folder = strlen(name) < TEMP_NAME ? openat(at, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
        if (folder >= 0) job_discard(folder, name);
    }
    (void)close_fd(fd);
}

static bool may_be_folder(const struct listing *l) { return l->type == DT_DIR || l->type == DT_UNKNOWN; }

static bool next_root(struct sweep *s) {
    while (s->depth == 0 && s->root < roots_count()) {
        int fd = resolve_directory(roots_name(s->root++));
        if (fd >= 0) s->levels[s->depth++] = (struct level){fd, 0};
    }
    return s->depth > 0;
}

static bool begin(struct job *j) {
    j->map_bytes = sizeof(struct sweep);
    j->map = private_map(j->map_bytes);
    return j->map != NULL;
}

enum step sweep_step(struct job *j) {
    struct listing l;
    const char *name;
    if (j->map == NULL) return begin(j) ? STEP_MORE : STEP_DONE;
    struct sweep *s = j->map;
    if (s->depth == 0) return next_root(s) ? STEP_MORE : STEP_DONE;
    struct level *here = &s->levels[s->depth - 1];
    bool fine = lseek(here->fd, here->position, SEEK_SET) >= 0 && listing_read(&l, here->fd) && l.n > 0;
    if (!fine) {
        here->fd = close_fd(here->fd);
        s->depth--;
        return STEP_MORE;
    }
    while ((name = listing_next(&l)) != NULL) {
        here->position = l.after;
        if (strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) remove_left_over(here->fd, name);
        else if (may_be_folder(&l) && s->depth < SWEEP_DEPTH && open_level(s, here->fd, name)) return STEP_MORE;
    }
    here->position = l.after;
    return STEP_MORE;
}
