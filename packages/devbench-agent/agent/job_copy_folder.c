/* COPY of a folder: made under a hidden name beside the target, some entries a step, and then renamed. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "copying.h"
#include "exchange.h"
#include "job_copy.h"
#include "listing.h"
#include "reading.h"
#include "resolve.h"

#define FOLDER_FLAGS (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define TURN_MS 2

static bool same_node(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

/* Whether a folder is another one or lies in it. */
static bool is_within(int folder, const struct stat *other) {
    struct stat here;
    struct stat above;
    bool found = false;
    int at = openat(folder, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    for (unsigned i = 0; at >= 0 && i < PATH_BYTES && fstat(at, &here) == 0; i++) {
        found = same_node(&here, other);
        int up = found ? -1 : openat(at, "..", O_PATH | O_DIRECTORY | O_CLOEXEC);
        (void)close_fd(at);
        at = up;
        if (at >= 0 && (fstat(at, &above) != 0 || same_node(&above, &here))) break;
    }
    (void)close_fd(at);
    return found;
}

/* An entry that failed is named, so that one of many is found. */
static enum step entry_failed(struct job *j, struct copy *c, int error) { return job_fail_entry(j, error, c->name); }

static int open_level(struct copy *c, int from_at, const char *from, int to_at, const char *to) {
    struct copy_level level = {.from = openat(from_at, from, FOLDER_FLAGS), .to = -1};
    struct stat st;
    if (level.from < 0) return -1;
    if (fstat(level.from, &st) == 0 && mkdirat(to_at, to, 0700) == 0) level.to = openat(to_at, to, FOLDER_FLAGS);
    if (level.to < 0) {
        int error = errno;
        (void)close_fd(level.from);
        errno = error;
        return -1;
    }
    note_fd(level.from);
    note_fd(level.to);
    level.mode = st.st_mode & 0777;
    c->levels[c->depth++] = level;
    return 0;
}

static unsigned trees(void) {
    unsigned n = 0;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        const struct job *other = job_at(i);
        const struct copy *c = other->map;
        n += other->type == F_COPY && c != NULL && c->depth > 0;
    }
    return n;
}

enum step copy_begin_folder(struct job *j, struct copy *c) {
    struct stat st;
    char name[TEMP_NAME];
    if (trees() >= TREES_MAX) {
        j->folder = close_fd(j->folder);
        j->wake = now_ns() + TURN_MS * NS_PER_MS;
        return STEP_WAIT; /* begins anew */
    }
    if (strcmp(j->leaf, ".") == 0 || fstatat(j->folder, j->leaf, &st, AT_SYMLINK_NOFOLLOW) == 0) return job_fail_second(j, EEXIST);
    if (errno != ENOENT) return job_fail_second(j, errno);
    c->source = resolve_directory(j->path);
    note_fd(c->source);
    if (c->source < 0 || fstat(c->source, &st) != 0) return job_fail(j, errno);
    if (is_within(j->folder, &st)) return job_fail_with(j, FE_INTO_ITSELF, (int)(EINVAL | SECOND_PATH), "", "into itself");
    job_temp_name(name);
    memcpy(j->temp, COPY_PREFIX, sizeof COPY_PREFIX);
    memcpy(j->temp + sizeof COPY_PREFIX - 1, name + sizeof TEMP_PREFIX - 1, strlen(name) - sizeof TEMP_PREFIX + 2);
    c->is_folder = true;
    c->entries = 1;
    if (open_level(c, c->source, ".", j->folder, j->temp) != 0) {
        int error = errno;
        if (faccessat(c->source, ".", R_OK | X_OK, 0) != 0) return job_fail(j, error);
        return job_fail_second(j, error);
    }
    c->source = close_fd(c->source);
    (void)flock(c->levels[0].to, LOCK_EX | LOCK_NB); /* not to be swept by another agent meanwhile */
    c->target = -1;
    j->created = true;
    j->stage = COPY_FOLDER;
    return STEP_MORE;
}

void copy_close_folders(struct copy *c) {
    if (!c->is_folder) return;
    if (c->depth > 0) c->target = close_fd(c->target);
    for (; c->depth > 0; c->depth--) {
        (void)close_fd(c->levels[c->depth - 1].from);
        (void)close_fd(c->levels[c->depth - 1].to);
    }
}

static int copy_link(const struct copy_level *here, const char *name) {
    char target[PATH_BYTES + 1];
    ssize_t n = readlinkat(here->from, name, target, sizeof target - 1);
    if (n < 0) return -1;
    target[n] = 0;
    return symlinkat(target, here->to, name);
}

static int open_file(struct copy *c, const struct copy_level *here, const char *name) {
    c->source = openat(here->from, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (c->source < 0 || fstat(c->source, &c->before) != 0) return -1;
    if (!S_ISREG(c->before.st_mode)) {
        errno = ENOTSUP;
        return -1;
    }
    c->target = openat(here->to, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    note_fd(c->source);
    note_fd(c->target);
    c->at = 0;
    c->tries = 0;
    c->fresh = true;
    return c->target < 0 ? -1 : 0;
}

static int finish_file(struct copy *c) {
    int failed = copy_attributes(c->source, c->target);
    if (failed == 0) failed = fchmod(c->target, c->before.st_mode & 0777);
    int error = errno;
    c->source = close_fd(c->source);
    c->target = close_fd(c->target);
    errno = error;
    return failed;
}

/* A piece of the file that is open; *over when that was the last. */
static enum step piece(struct job *j, struct copy *c, bool *over) {
    struct stat now;
    if (c->fresh) {
        if (!write_source_settled(j, c->source, &c->before)) return STEP_WAIT;
        c->fresh = false;
    }
    uint64_t left = (uint64_t)c->before.st_size - c->at;
    ssize_t done = left == 0 ? 0 : copy_some(c->source, c->at, c->target, left < COPY_STEP ? left : COPY_STEP);
    if (done < 0) return entry_failed(j, c, errno);
    c->at += (uint64_t)done;
    c->bytes += (uint64_t)done;
    if (c->bytes > c->bytes_max) return copy_over_limit(j, "bytes");
    if (done > 0 && left > (uint64_t)done) return STEP_MORE;
    if (fstat(c->source, &now) != 0) return entry_failed(j, c, errno);
    if (c->at == (uint64_t)c->before.st_size && read_same(&now, &c->before)) {
        *over = true;
        return finish_file(c) == 0 ? STEP_MORE : entry_failed(j, c, errno);
    }
    if (++c->tries >= COPY_TRIES) return job_fail_entry(j, ESTALE, c->name);
    if (ftruncate(c->target, 0) != 0 || lseek(c->target, 0, SEEK_SET) != 0) return entry_failed(j, c, errno);
    c->bytes -= c->at;
    c->at = 0;
    c->fresh = true;
    return STEP_MORE;
}

static enum step entry(struct job *j, struct copy *c) {
    struct copy_level *here = &c->levels[c->depth - 1];
    struct stat st;
    if (++c->entries > c->entries_max) return copy_over_limit(j, "entries");
    if (fstatat(here->from, c->name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return errno == ENOENT ? STEP_MORE : entry_failed(j, c, errno);
    if (S_ISLNK(st.st_mode)) return copy_link(here, c->name) == 0 ? STEP_MORE : entry_failed(j, c, errno);
    if (S_ISDIR(st.st_mode)) {
        if (c->depth == TREE_DEPTH) return copy_over_limit(j, "depth");
        return open_level(c, here->from, c->name, here->to, c->name) == 0 ? STEP_MORE : entry_failed(j, c, errno);
    }
    if (S_ISREG(st.st_mode)) {
        bool over = false;
        if (open_file(c, here, c->name) != 0) return entry_failed(j, c, errno);
        return piece(j, c, &over);
    }
    if (!(c->asked & P_SKIP_SPECIAL)) return entry_failed(j, c, ENOTSUP);
    c->skipped++;
    return STEP_MORE;
}

static enum step leave(struct job *j, struct copy *c) {
    struct copy_level *here = &c->levels[c->depth - 1];
    if (fchmod(here->to, here->mode) != 0) return entry_failed(j, c, errno);
    if (c->depth == 1) {
        j->stage = COPY_PLACE;
        return STEP_MORE;
    }
    here->from = close_fd(here->from);
    here->to = close_fd(here->to);
    c->depth--;
    return STEP_MORE;
}

static enum step place(struct job *j, struct copy *c) {
    if (exchange_move(j->folder, j->temp, j->folder, j->leaf) != 0) return job_fail_second(j, errno);
    j->temp[0] = 0;
    j->made = 0;
    copy_close_folders(c);
    j->stage = COPY_REPLY;
    return STEP_MORE;
}

enum step copy_folder_step(struct job *j, struct copy *c) {
    struct listing l;
    const char *name = NULL;
    bool over = false;
    if (j->stage == COPY_PLACE) return place(j, c);
    if (c->target >= 0) return piece(j, c, &over);
    struct copy_level *here = &c->levels[c->depth - 1];
    if (lseek(here->from, here->position, SEEK_SET) < 0 || !listing_read(&l, here->from)) return entry_failed(j, c, errno);
    if (l.n == 0) return leave(j, c);
    for (unsigned i = 0; i < TREE_COPY_STEP && (name = listing_next(&l)) != NULL; i++) {
        here->position = l.after;
        if (strlen(name) > NAME_BYTES || strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) continue;
        memcpy(c->name, name, strlen(name) + 1);
        unsigned depth = c->depth;
        enum step answer = entry(j, c);
        if (answer != STEP_MORE) return answer;
        if (c->target >= 0 || c->depth != depth) return STEP_MORE;
    }
    if (name == NULL) here->position = l.after;
    return STEP_MORE;
}
