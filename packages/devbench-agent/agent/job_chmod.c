/* CHMOD. A tree is first looked at as a whole, so that what cannot be done to all of it is done to nothing. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"
#include "listing.h"
#include "pair.h"
#include "resolve.h"

enum { CHMOD_BEGIN, CHMOD_LOOK, CHMOD_APPLY, CHMOD_REPLY, CHMOD_CONFLICT };

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define LINK_TEXT 32
#define OPENABLE 0700u

struct chmod_level {
    int fd;
    int64_t position;
};

struct chmod {
    uint32_t folder_mode;
    uint64_t entries_max, seen, changed;
    unsigned depth;
    struct chmod_level levels[TREE_DEPTH];
};

bool chmod_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->map_bytes = sizeof(struct chmod);
    struct chmod *c = j->map = private_map(j->map_bytes);
    if (c == NULL) return false;
    j->flags = rd_u32(r);
    j->mode = rd_u32(r);
    c->folder_mode = rd_u32(r);
    c->entries_max = rd_u32(r);
    struct str match = rd_str(r, ETAG_MAX);
    if (r->bad) return false;
    memcpy(j->inner, match.p, match.n);
    j->inner[match.n] = 0;
    return parsed && (j->flags & ~(uint32_t)C_ALL) == 0;
}

/* The mode of what lies under a name, if that is no link: by its descriptor, since a name could become one. */
static int set_mode(int folder, const char *name, mode_t mode) {
    char link[LINK_TEXT];
    struct stat st;
    int fd = openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return -1;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    int done = fstat(fd, &st) != 0 ? -1 : S_ISLNK(st.st_mode) ? 0 : fchmodat(AT_FDCWD, link, mode, 0);
    int error = errno;
    (void)close_fd(fd);
    errno = error;
    return done;
}

static bool may_change(const struct stat *st) { return geteuid() == 0 || st->st_uid == geteuid(); }

static int open_level(struct chmod *c, int at, const char *name) {
    int fd = openat(at, name, FOLDER_FLAGS);
    if (fd < 0) return -1;
    note_fd(fd);
    c->levels[c->depth++] = (struct chmod_level){fd, 0};
    return 0;
}

static enum step over_limit(struct job *j, const char *what) { return job_fail_with(j, FE_TOO_LARGE, E2BIG, "", what); }

static enum step conflict(struct job *j) {
    j->stage = CHMOD_CONFLICT;
    return job_conflict(j, j->folder, j->leaf, false, "the file changed");
}

static enum step begin(struct job *j, struct chmod *c) {
    if (j->mode > 07777 || c->folder_mode > 07777) return job_fail(j, EINVAL);
    j->folder = resolve_target(j->path, j->leaf);
    if (j->folder < 0 || fstatat(j->folder, j->leaf, &j->st, AT_SYMLINK_NOFOLLOW) != 0) return job_fail(j, errno);
    int error = j->flags & C_IF_MATCH ? pair_matches(&j->st, j->inner) : 0;
    if (error == ESTALE) return conflict(j);
    if (error == EINVAL) return job_fail_with(j, FE_INVALID, EINVAL, "", ONLY_FILES);
    if (error == 0 && S_ISLNK(j->st.st_mode)) error = ELOOP;
    if (error == 0 && !may_change(&j->st)) error = EPERM;
    if (error != 0) return job_fail(j, error);
    if (S_ISDIR(j->st.st_mode) && (j->flags & C_RECURSIVE)) {
        if (open_level(c, j->folder, j->leaf) != 0 && errno != EACCES) return job_fail(j, errno);
        j->stage = CHMOD_LOOK;
        return STEP_MORE;
    }
    if (set_mode(j->folder, j->leaf, (mode_t)j->mode) != 0) return job_fail(j, errno);
    c->changed = 1;
    j->stage = CHMOD_REPLY;
    return STEP_MORE;
}

static enum step looked(struct job *j, struct chmod *c) {
    mode_t open = (mode_t)(c->folder_mode | OPENABLE);
    if (set_mode(j->folder, j->leaf, open) != 0 || open_level(c, j->folder, j->leaf) != 0) return job_fail(j, errno);
    c->seen = 0;
    j->stage = CHMOD_APPLY;
    return STEP_MORE;
}

static enum step applied(struct job *j, struct chmod *c) {
    c->changed++;
    j->stage = CHMOD_REPLY;
    return set_mode(j->folder, j->leaf, (mode_t)c->folder_mode) == 0 ? STEP_MORE : job_fail(j, errno);
}

static enum step leave(struct job *j, struct chmod *c) {
    struct chmod_level *here = &c->levels[--c->depth];
    bool apply = j->stage == CHMOD_APPLY;
    int done = apply ? fchmod(here->fd, (mode_t)c->folder_mode) : 0;
    int error = errno;
    here->fd = close_fd(here->fd);
    if (done != 0) return job_fail(j, error);
    if (c->depth > 0) return STEP_MORE;
    return apply ? applied(j, c) : looked(j, c);
}

static enum step enter(struct job *j, struct chmod *c, int at, const char *name) {
    if (c->depth == TREE_DEPTH) return over_limit(j, "depth");
    if (j->stage == CHMOD_APPLY) {
        c->changed++;
        if (set_mode(at, name, (mode_t)(c->folder_mode | OPENABLE)) != 0) return job_fail_entry(j, errno, name);
    }
    if (open_level(c, at, name) == 0) return STEP_MORE;
    /* What its owner may not look into yet is looked at when it has its new mode. */
    return j->stage == CHMOD_LOOK && errno == EACCES ? STEP_MORE : job_fail_entry(j, errno, name);
}

static enum step entry(struct job *j, struct chmod *c, const char *name) {
    int at = c->levels[c->depth - 1].fd;
    struct stat st;
    if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) != 0) return errno == ENOENT ? STEP_MORE : job_fail_entry(j, errno, name);
    if (++c->seen > c->entries_max) return over_limit(j, "entries");
    if (S_ISLNK(st.st_mode)) return STEP_MORE;
    if (!may_change(&st)) return job_fail_entry(j, EPERM, name);
    if (S_ISDIR(st.st_mode)) return enter(j, c, at, name);
    if (j->stage == CHMOD_LOOK) return STEP_MORE;
    c->changed++;
    return set_mode(at, name, (mode_t)j->mode) == 0 || errno == ENOENT ? STEP_MORE : job_fail_entry(j, errno, name);
}

static enum step walk(struct job *j, struct chmod *c) {
    struct listing l;
    const char *name = NULL;
    if (c->depth == 0) return looked(j, c); /* it could not be opened yet */
    struct chmod_level *here = &c->levels[c->depth - 1];
    if (lseek(here->fd, here->position, SEEK_SET) < 0 || !listing_read(&l, here->fd)) return job_fail(j, errno);
    if (l.n == 0) return leave(j, c);
    for (unsigned i = 0; i < TREE_STEP && (name = listing_next(&l)) != NULL; i++) {
        here->position = l.after;
        unsigned depth = c->depth;
        if (entry(j, c, name) == STEP_DONE) return STEP_DONE;
        if (c->depth != depth) return STEP_MORE;
    }
    if (name == NULL) here->position = l.after;
    return STEP_MORE;
}

static enum step reply(struct job *j, struct chmod *c) {
    struct stat st;
    if (fstatat(j->folder, j->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) return job_fail(j, errno);
    if (!job_settle(j, &st)) return STEP_WAIT;
    frame_begin(j->channel, F_CHMODDED, j->request);
    put_u64(j->channel, c->changed);
    put_stat(j, &st, j->folder, j->leaf);
    frame_end(j->channel);
    return STEP_DONE;
}

enum step chmod_step(struct job *j) {
    struct chmod *c = j->map;
    switch (j->stage) {
    case CHMOD_BEGIN: return begin(j, c);
    case CHMOD_REPLY: return reply(j, c);
    case CHMOD_CONFLICT: return conflict(j);
    default: return walk(j, c);
    }
}

void chmod_drop(struct job *j) {
    struct chmod *c = j->map;
    for (; c != NULL && c->depth > 0; c->depth--) (void)close_fd(c->levels[c->depth - 1].fd);
}
