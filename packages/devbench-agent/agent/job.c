#include "job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pair.h"
#include "parents.h"
#include "resolve.h"
#include "roots.h"
#include "util.h"

#define SETTLE_MS 60
#define SETTLE_LOOK_MS 2

static struct job jobs[JOBS_MAX];
static mode_t mask;
static struct job *holder;
static bool orphaned; /* one goes on without its channel, which no event announces */

static const struct {
    job_parser *parse;
    job_stepper *step;
} kinds[256] = {
    [F_STAT] = {stat_parse, stat_step},       [F_READ] = {read_parse, read_step},
    [F_WRITE] = {write_parse, write_step},    [F_DIR] = {dir_parse, dir_step},
    [F_DELETE] = {delete_parse, delete_step}, [F_MKDIR] = {mkdir_parse, mkdir_step},
    [JOB_SWEEP] = {NULL, sweep_step},         [JOB_DISCARD] = {NULL, discard_step},
    [F_READ_LINES] = {lines_parse, lines_step}, [F_MOVE] = {move_parse, move_step},
    [F_COPY] = {copy_parse, copy_step},       [F_CHMOD] = {chmod_parse, chmod_step},
    [F_WATCH] = {watch_parse, watch_step},    [F_BATCH] = {batch_parse, batch_step},
    [F_SNAPSHOT] = {snapshot_parse, snapshot_step},
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

void job_hold(struct job *j) { holder = j; }

void job_release(struct job *j) {
    if (holder == j) holder = NULL;
}

bool jobs_held(void) { return holder != NULL; }

/* What was made for something that then did not come to be. */
static void unmake_parents(struct job *j) {
    bool two = j->type == F_MOVE || j->type == F_COPY;
    if (j->made != 0) parents_unmake(two ? ((const struct pair *)j->map)->to : j->path, j->made);
    j->made = 0;
}

void job_drop(struct job *j) {
    bool discard = false;
    if (j->type == F_BATCH && batch_drop(j)) {
        orphaned = true;
        return;
    }
    if (j->type == F_WRITE) append_drop(j);
    else if (j->type == F_CHMOD) chmod_drop(j);
    else if (j->type == F_SNAPSHOT) snapshot_drop(j);
    else if (j->type == F_COPY) discard = copy_drop(j);
    else if (j->type == F_DELETE) discard = delete_drop(j);
    if (j->type == F_FIND || j->type == F_GREP) search_drop(j);
    else if (discard) (void)0; /* taken apart below */
    else if (j->temp[0] != 0 && j->folder >= 0) (void)unlinkat(j->folder, j->temp, 0);
    if (!discard) unmake_parents(j);
    j->fd = close_fd(j->fd);
    j->top = close_fd(j->top);
    private_unmap(j->map, j->map_bytes);
    j->map = NULL;
    j->channel = NULL;
    if (discard && discard_begin(j)) {
        orphaned = true;
        return;
    }
    j->folder = close_fd(j->folder);
    j->type = 0;
}

const struct job *job_at(size_t slot) { return &jobs[slot]; }

void jobs_init(void) {
    mask = umask(0);
    (void)umask(mask);
    if (roots_workspace() < 0 && roots_count() == 1) return;
    batch_recover(take(NULL, 0, F_BATCH));
    (void)take(NULL, 0, JOB_SWEEP);
}

/* ---- answers ---- */

uint8_t job_code(int error) {
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
    case ENOMEDIUM: case ENOTBLK: case EMULTIHOP: return FE_NO_ROOT;
    case EMFILE: case ENFILE: case EMLINK: return FE_LIMIT;
    case EAGAIN: return FE_BUSY; /* names changed hands at each of many looks */
    default: return FE_IO;
    }
}

/* What is wrong with a root has numbers of its own in here, so that it is not taken for what is beneath it. */
uint32_t job_number(int error) {
    uint32_t about = (uint32_t)error & (SECOND_PATH | ENTRY_NAMED);
    uint32_t plain = (uint32_t)error & ~(SECOND_PATH | ENTRY_NAMED);
    plain = plain == ENOMEDIUM ? ENOENT : plain == ENOTBLK ? ENOTDIR : plain == EMULTIHOP ? ELOOP : plain;
    return plain | about;
}

static void put_error(struct channel *c, uint32_t request, uint8_t code, int error, const char *etag, const char *text) {
    frame_begin(c, F_FILE_ERROR, request);
    put_u8(c, code);
    put_u32(c, job_number(error));
    put_str(c, etag);
    put_str(c, text);
    frame_end(c);
}

enum step job_fail_with(struct job *j, uint8_t code, int error, const char *etag, const char *message) {
    if (j->channel != NULL) put_error(j->channel, j->request, code, error, etag, message);
    return STEP_DONE;
}

enum step job_fail(struct job *j, int error) { return job_fail_with(j, job_code(error), error, "", strerror(error)); }

enum step job_fail_rename(struct job *j, int error) {
    if (error != EXDEV) return job_fail(j, error);
    return job_fail_with(j, FE_OTHER_DEVICE, EXDEV, "", "another file system, or another layer of the image");
}

enum step job_fail_second(struct job *j, int error) {
    return job_fail_with(j, job_code(error), (int)((unsigned)error | SECOND_PATH), "", strerror(error));
}

enum step job_fail_entry(struct job *j, int error, const char *name) {
    return job_fail_with(j, job_code(error), (int)((unsigned)error | ENTRY_NAMED), "", name);
}

enum step job_conflict(struct job *j, int folder, const char *leaf, bool second, const char *message) {
    struct stat st;
    if (fstatat(folder, leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) j->etag[0] = 0;
    else if (!job_settle(j, &st)) return STEP_WAIT;
    unsigned error = second ? ESTALE | SECOND_PATH : ESTALE;
    return job_fail_with(j, FE_CONFLICT, (int)error, j->etag, message);
}

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

bool job_path(struct job *j, struct rd *r) { return job_path_into(j, r, j->path); }

bool job_path_into(struct job *j, struct rd *r, char path[PATH_BYTES + 1]) {
    /* One byte above the limit is let through, so that a path that is too long is `invalid`, not malformed. */
    struct str s = rd_str(r, PAYLOAD_MAX);
    if (r->bad) return false;
    if (s.n > PATH_BYTES) {
        j->stage = UINT32_MAX;
        return true;
    }
    memcpy(path, s.p, s.n);
    path[s.n] = 0;
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

static bool sync_in_helper(struct job *j, int fd, int (*flush)(int)) {
    pid_t pid = fork();
    if (pid < 0) return false;
    if (pid == 0) {
        /* Nothing but this file: a copy of a command's input would keep it from seeing its end. */
        if (dup2(fd, 0) != 0) _exit(EIO);
        close_from(1);
        _exit(flush(0) == 0 || errno == EINVAL || errno == EROFS ? 0 : errno);
    }
    j->helper = pid;
    j->helper_answer = -1;
    return true;
}

bool job_sync(struct job *j, int fd) { return sync_in_helper(j, fd, fsync); }
#ifdef FUZZING
/* The fuzzer's folder lies on a disk that others use: thousands of flushes of all of it would stall them, and it. */
#define syncfs fsync
#endif
bool job_sync_all(struct job *j, int fd) { return sync_in_helper(j, fd, syncfs); }

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
        job_drop(j);
        channel_error(c, E_MALFORMED, "the file request does not parse");
        return;
    }
    if (j->stage == UINT32_MAX) {
        (void)job_fail(j, j->map_bytes > 0 && j->map == NULL ? ENOMEM : ENAMETOOLONG);
        job_drop(j);
        return;
    }
    bool append = f->type == F_WRITE && (j->flags & W_APPEND);
    bool copies = append || f->type == F_COPY || f->type == F_SNAPSHOT;
    if (copies || f->type == F_READ_LINES || f->type == F_CHMOD) j->tell_at = now_ns() + PROGRESS_MS * NS_PER_MS;
}

struct job *job_find_as(struct channel *c, const struct frame *f, uint8_t type) {
    struct job *j = find(c, f->id);
    if (j == NULL || j->type == type) return j;
    channel_error(c, E_MALFORMED, "the frame does not belong to this kind of request");
    return NULL;
}

void job_data(struct channel *c, const struct frame *f) {
    struct job *j = find(c, f->id);
    bool batch = j != NULL && j->type == F_BATCH;
    if (!batch) j = job_find_as(c, f, F_WRITE);
    if (j == NULL) return;
    if (f->n < 1 || f->n > DATA_MAX || j->ended) {
        channel_error(c, E_MALFORMED, "DATA of a wrong size, or after its end");
        return;
    }
    if (batch) batch_data(j, f->payload, f->n);
    else if (write_data(j, f->payload, f->n) == STEP_DONE) job_drop(j);
}

void job_window(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint64_t limit = rd_u64(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "FILE_WINDOW does not parse");
        return;
    }
    struct job *j = find(c, f->id);
    if (j != NULL && j->type != F_READ_LINES && j->type != F_SNAPSHOT) j = job_find_as(c, f, F_READ);
    if (j == NULL) return;
    if (limit > j->limit) j->limit = limit;
    j->wake = 0;
}

void job_write_end(struct channel *c, const struct frame *f) {
    struct job *j = job_find_as(c, f, F_WRITE);
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
    if (j == NULL || (j->type == F_BATCH && batch_is_final(j))) return;
    put_error(c, f->id, FE_ABORTED, ECANCELED, "", "aborted");
    job_drop(j);
}

void jobs_abort(struct channel *c) {
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (jobs[i].type != 0 && jobs[i].channel == c && c != NULL) job_drop(&jobs[i]);
}

static void tell_progress(struct job *j, uint64_t now) {
    if (j->tell_at == 0 || now < j->tell_at) return;
    frame_begin(j->channel, F_PROGRESS, j->request);
    put_u64(j->channel, j->done);
    frame_end(j->channel);
    j->tell_at = now + PROGRESS_MS * NS_PER_MS;
}

static uint64_t run_one(struct job *j, uint64_t now) {
    if (j->wake > now) return j->wake;
    if (j != holder && j->channel != NULL && !channel_has_room(j->channel)) return NEVER;
    j->wake = NEVER;
    tell_progress(j, now);
    enum step answer = kinds[j->type].step(j);
    note_fd(j->fd);
    note_fd(j->folder);
    note_fd(j->top);
    if (answer == STEP_DONE) {
        job_drop(j);
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
uint64_t jobs_due(void) { return orphaned ? 0 : NEVER; }

uint64_t jobs_run(uint64_t now) {
    uint64_t next = NEVER;
    orphaned = false;
    if (holder != NULL) {
        next = run_one(holder, now);
        return holder != NULL ? next : now; /* released: the others are looked at again */
    }
    for (size_t i = 0; i < JOBS_MAX && holder == NULL; i++) {
        if (jobs[i].type == 0) continue;
        uint64_t at = run_one(&jobs[i], now);
        if (at < next) next = at;
    }
    return next;
}
