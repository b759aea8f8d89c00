#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "resolve.h"
#include "util.h"

#define SETTLE_MS 60
#define SETTLE_LOOK_MS 2

static struct job jobs[JOBS_MAX];
static mode_t mask;

static const struct {
    job_parser *parse;
    job_stepper *step;
} kinds[256] = {
    [F_STAT] = {stat_parse, stat_step},       [F_READ] = {read_parse, read_step},
    [F_WRITE] = {write_parse, write_step},    [F_DIR] = {dir_parse, dir_step},
    [F_DELETE] = {delete_parse, delete_step}, [F_MKDIR] = {mkdir_parse, mkdir_step},
    [JOB_SWEEP] = {NULL, sweep_step},         [F_WATCH] = {watch_parse, watch_step},
    [F_FIND] = {find_parse, find_step},       [F_GREP] = {grep_parse, grep_step},
};

mode_t job_umask(void) { return mask; }
pid_t job_helper(size_t slot) { return jobs[slot].helper; }

bool jobs_own_helper(pid_t pid) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs[i].helper == pid) return true;
    return false;
}

static struct job *find(const struct channel *c, uint32_t request) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs[i].type != 0 && jobs[i].channel == c && jobs[i].request == request) return &jobs[i];
    return NULL;
}

static struct job *take(struct channel *c, uint32_t request, uint8_t type) {
    for (size_t i = 0; i < JOBS_MAX; i++) {
        /* A slot whose helper still runs is not reused: its answer would be taken for another's. */
        if (jobs[i].type != 0 || jobs[i].helper != 0) continue;
        memset(&jobs[i], 0, sizeof jobs[i]);
        jobs[i].type = type;
        jobs[i].channel = c;
        jobs[i].request = request;
        jobs[i].fd = jobs[i].folder = jobs[i].top = -1;
        return &jobs[i];
    }
    return NULL;
}

static void drop(struct job *j) {
    if (j->type == F_DELETE) delete_put_back(j);
    else if (j->type == F_FIND || j->type == F_GREP) search_drop(j);
    else if (j->temp[0] != 0 && j->folder >= 0) (void)unlinkat(j->folder, j->temp, 0);
    j->fd = close_fd(j->fd);
    j->top = close_fd(j->top);
    j->folder = close_fd(j->folder);
    private_unmap(j->map, j->map_bytes);
    j->map = NULL;
    j->type = 0;
    j->channel = NULL;
}

void jobs_init(void) {
    mask = umask(0);
    (void)umask(mask);
    if (resolve_root() >= 0) (void)take(NULL, 0, JOB_SWEEP);
}

/* ---- answers ---- */

static uint8_t code_of(int error) {
    switch (error) {
    case ENOENT: return FE_NOT_FOUND;
    case EISDIR: return FE_IS_DIRECTORY;
    case ENOTDIR: return FE_NOT_DIRECTORY;
    case EEXIST: return FE_EXISTS;
    case EACCES: case EPERM: return FE_PERMISSION;
    case ESTALE: return FE_CONFLICT;
    case EXDEV: return FE_OUTSIDE;
    case EFBIG: return FE_TOO_LARGE;
    case ENOSPC: case EDQUOT: return FE_NO_SPACE;
    case EROFS: return FE_READ_ONLY;
    case ELOOP: return FE_LOOP;
    case EINVAL: case ENAMETOOLONG: return FE_INVALID;
    case ENOTEMPTY: return FE_NOT_EMPTY;
    case ENOTSUP: return FE_NOT_A_FILE;
    case ENODEV: return FE_NO_WORKSPACE;
    case EMFILE: case ENFILE: case EMLINK: return FE_LIMIT;
    default: return FE_IO;
    }
}

static void put_error(struct channel *c, uint32_t request, uint8_t code, int error, const char *etag, const char *text) {
    frame_begin(c, F_FILE_ERROR, request);
    put_u8(c, code);
    put_u32(c, (uint32_t)error);
    put_str(c, etag);
    put_str(c, text);
    frame_end(c);
}

enum step job_fail_with(struct job *j, uint8_t code, int error, const char *etag, const char *message) {
    if (j->channel != NULL) put_error(j->channel, j->request, code, error, etag, message);
    return STEP_DONE;
}

enum step job_fail(struct job *j, int error) { return job_fail_with(j, code_of(error), error, "", strerror(error)); }

static uint8_t type_of(mode_t mode) { return S_ISREG(mode) ? 1 : S_ISDIR(mode) ? 2 : S_ISLNK(mode) ? 3 : 4; }

void put_stat(struct job *j, const struct stat *st, int folder, const char *name) {
    struct channel *c = j->channel;
    char target[PATH_BYTES + 1];
    ssize_t n = S_ISLNK(st->st_mode) ? readlinkat(folder, name, target, sizeof target - 1) : 0;
    target[n > 0 ? n : 0] = 0;
    put_u8(c, type_of(st->st_mode));
    put_u32(c, st->st_mode & 07777u);
    put_u64(c, (uint64_t)st->st_size);
    put_u64(c, (uint64_t)((int64_t)st->st_mtim.tv_sec * (int64_t)NS_PER_S + st->st_mtim.tv_nsec));
    put_u32(c, st->st_uid);
    put_u32(c, st->st_gid);
    put_str(c, j->etag);
    put_str(c, target);
}

bool job_settle(struct job *j, const struct stat *st) {
    uint64_t now = now_ns();
    j->etag[0] = 0;
    if (!S_ISREG(st->st_mode)) return true;
    if (etag_settled(st)) {
        etag_of(st, j->etag);
    } else if (j->settle_until != 0 && now >= j->settle_until) {
        etag_unsettled(j->etag);
    } else {
        if (j->settle_until == 0) j->settle_until = now + SETTLE_MS * NS_PER_MS;
        j->wake = now + SETTLE_LOOK_MS * NS_PER_MS;
        return false;
    }
    return true;
}

/* ---- helpers ---- */

bool job_path(struct job *j, struct rd *r) {
    /* One byte above the limit is let through, so that a path that is too long is `invalid`, not malformed. */
    struct str s = rd_str(r, PAYLOAD_MAX);
    if (r->bad) return false;
    if (s.n > PATH_BYTES) {
        j->stage = UINT32_MAX;
        return true;
    }
    memcpy(j->path, s.p, s.n);
    j->path[s.n] = 0;
    return true;
}

void job_temp_name(char name[TEMP_NAME]) {
    static uint64_t counter;
    uint8_t random[8];
    char digits[17];
    if (!random_fill(random, sizeof random)) {
        counter++;
        memcpy(random, &counter, sizeof random);
    }
    hex(random, sizeof random, digits);
    (void)snprintf(name, TEMP_NAME, "%s%s", TEMP_PREFIX, digits);
}

static int make_folder(const char *path) {
    char leaf[NAME_BYTES + 1];
    int folder = resolve_target(path, leaf);
    if (folder < 0) return -1;
    int made = mkdirat(folder, leaf, 0755);
    int error = errno;
    (void)close_fd(folder);
    errno = error;
    return made != 0 && error != EEXIST ? -1 : 0;
}

int job_make_folders(const char *path) {
    char prefix[PATH_BYTES + 1];
    for (size_t i = 1; path[0] != 0 && path[i] != 0; i++) {
        if (path[i] != '/' || path[i - 1] == '/' || strspn(path + i, "/") == strlen(path + i)) continue;
        memcpy(prefix, path, i);
        prefix[i] = 0;
        if (make_folder(prefix) != 0) return -1;
    }
    return 0;
}

bool job_sync(struct job *j, int fd) {
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
        /* Nothing but this file: a copy of a command's input would keep it from seeing its end. */
        if (dup2(fd, 0) != 0) _exit(EIO);
        close_from(1);
        _exit(fsync(0) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno);
    }
    j->helper = pid;
    j->helper_answer = -1;
    return true;
}

void jobs_reaped(pid_t pid, int status) {
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs[i].helper != pid) continue;
        jobs[i].helper = 0;
        jobs[i].helper_answer = WIFEXITED(status) ? WEXITSTATUS(status) : EIO;
        jobs[i].wake = 0;
    }
}

/* ---- frames ---- */

void job_request(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    if (find(c, f->id) != NULL) {
        channel_error(c, E_MALFORMED, "the request's id is in use");
        return;
    }
    struct job *j = take(c, f->id, f->type);
    if (j == NULL) {
        put_error(c, f->id, FE_BUSY, EBUSY, "", "too many file requests at once");
        return;
    }
    if (!kinds[f->type].parse(j, &r) || !rd_done(&r)) {
        drop(j);
        channel_error(c, E_MALFORMED, "the file request does not parse");
        return;
    }
    if (j->stage == UINT32_MAX) {
        (void)job_fail(j, j->map_bytes > 0 && j->map == NULL ? ENOMEM : ENAMETOOLONG);
        drop(j);
    }
}

static struct job *find_as(struct channel *c, const struct frame *f, uint8_t type) {
    struct job *j = find(c, f->id);
    if (j == NULL || j->type == type) return j;
    channel_error(c, E_MALFORMED, "the frame does not belong to this kind of request");
    return NULL;
}

void job_data(struct channel *c, const struct frame *f) {
    struct job *j = find_as(c, f, F_WRITE);
    if (j == NULL) return;
    if (f->n < 1 || f->n > DATA_MAX || j->ended) {
        channel_error(c, E_MALFORMED, "DATA of a wrong size, or after its end");
        return;
    }
    if (write_data(j, f->payload, f->n) == STEP_DONE) drop(j);
}

void job_window(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint64_t limit = rd_u64(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "FILE_WINDOW does not parse");
        return;
    }
    struct job *j = find_as(c, f, F_READ);
    if (j == NULL) return;
    if (limit > j->limit) j->limit = limit;
    j->wake = 0;
}

void job_write_end(struct channel *c, const struct frame *f) {
    struct job *j = find_as(c, f, F_WRITE);
    if (j == NULL) return;
    if (f->n != 0 || j->ended) {
        channel_error(c, E_MALFORMED, "WRITE_END has no payload and comes once");
        return;
    }
    j->ended = true;
    j->wake = 0;
}

void job_abort(struct channel *c, const struct frame *f) {
    if (f->n != 0) {
        channel_error(c, E_MALFORMED, "ABORT has no payload");
        return;
    }
    struct job *j = find(c, f->id);
    if (j == NULL) return;
    put_error(c, f->id, FE_ABORTED, ECANCELED, "", "aborted");
    drop(j);
}

void jobs_abort(struct channel *c) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs[i].type != 0 && jobs[i].channel == c && c != NULL) drop(&jobs[i]);
}

static uint64_t run_one(struct job *j, uint64_t now) {
    if (j->wake > now) return j->wake;
    if (j->channel != NULL && !channel_has_room(j->channel)) return NEVER;
    j->wake = NEVER;
    enum step answer = kinds[j->type].step(j);
    note_fd(j->fd);
    note_fd(j->folder);
    note_fd(j->top);
    if (answer == STEP_DONE) {
        drop(j);
        return now; /* its reply is still to be sent */
    }
    if (answer == STEP_MORE) j->wake = 0;
    return j->wake;
}

void jobs_wake(uint8_t type) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs[i].type == type) jobs[i].wake = 0;
}

bool jobs_wait_for(uint64_t observer) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs[i].type == F_WATCH && jobs[i].offset == observer) return true;
    return false;
}

uint64_t jobs_run(uint64_t now) {
    uint64_t next = NEVER;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        if (jobs[i].type == 0) continue;
        uint64_t at = run_one(&jobs[i], now);
        if (at < next) next = at;
    }
    return next;
}
