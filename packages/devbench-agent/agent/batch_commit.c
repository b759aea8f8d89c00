/* A batch from its end on. While `job_hold` is in force no other file request goes on. */
#include "batch_commit.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "util.h"

#define RESULTS_TARGET (32u * 1024u)

#ifdef BATCH_KILL_POINTS
/* DEVBENCH_BATCH_KILL is NAME:N, the N-th time (from 1) that the point is passed. */
void batch_point(const char *name) {
    static unsigned passed;
    const char *wanted = getenv("DEVBENCH_BATCH_KILL");
    const char *colon = wanted == NULL ? NULL : strchr(wanted, ':');
    if (colon == NULL || strlen(name) != (size_t)(colon - wanted) || strncmp(name, wanted, strlen(name)) != 0) return;
    if (++passed == (unsigned)atoi(colon + 1)) (void)kill(getpid(), SIGKILL);
}
#endif

static const char *sentence(int error) {
    if (error == EMEDIUMTYPE) return "it lies in another root or on another file system than the batch";
    if (error == ENOANO) return BATCH_NO_STAGING;
    if (error == E2BIG) return "the batch has too many operations";
    return error == ESTALE ? "the file changed" : strerror(error);
}

static void note_failure(struct job *j, int error) {
    struct batch *b = batch_of(j);
    b->failed = true;
    b->error = error == ENOANO ? EACCES : error;
    b->code = error == EMEDIUMTYPE ? FE_OTHER_DEVICE : job_code(error == E2BIG ? EINVAL : b->error);
    b->failed_index = b->r.index;
    (void)snprintf(b->message, sizeof b->message, "%s", sentence(error));
    b->failed_at = b->at;
}

static void say_refused(struct job *j) {
    struct batch *b = batch_of(j);
    if (j->channel == NULL) return;
    frame_begin(j->channel, F_BATCH_REFUSED, j->request);
    put_u32(j->channel, b->failed_index);
    put_u8(j->channel, b->code);
    put_u32(j->channel, job_number(b->error));
    put_str(j->channel, j->etag);
    put_str(j->channel, b->message);
    frame_end(j->channel);
}

enum step batch_refuse_now(struct job *j, int error) {
    note_failure(j, error);
    say_refused(j);
    j->channel = NULL; /* its request is over; what follows is only putting away */
    j->stage = BATCH_CLEAN;
    j->wake = 0;
    return STEP_MORE;
}

/* ---- steps over the journal ---- */

enum walk { WALK_ON, WALK_END, WALK_FAILED };

/* Takes the operation at `at` in hand. */
static enum walk load(struct job *j) {
    struct batch *b = batch_of(j);
    if (b->at >= b->end) return WALK_END;
    if (journal_load(b, b->at)) return WALK_ON;
    note_failure(j, errno);
    return WALK_FAILED;
}

static bool time_is_up(uint64_t until, unsigned done) { return done % BATCH_STEP_LOOK == 0 && now_ns() >= until; }

static enum walk forward(struct job *j, int (*act)(struct job *)) {
    struct batch *b = batch_of(j);
    uint64_t until = now_ns() + BATCH_STEP_US * 1000ull;
    for (unsigned done = 1;; done++) {
        enum walk found = load(j);
        if (found != WALK_ON) return found;
        int error = act(j);
        if (error != 0) {
            note_failure(j, error);
            return WALK_FAILED;
        }
        b->at += b->r.bytes;
        if (time_is_up(until, done)) return WALK_ON;
    }
}

static enum step check(struct job *j) {
    struct batch *b = batch_of(j);
    job_hold(j);
    if (b->touched == NULL) {
        b->at = 0;
        if (!touched_init(b)) return batch_refuse_now(j, ENOMEM);
    }
    switch (forward(j, batch_check)) {
    case WALK_ON: return STEP_MORE;
    case WALK_END: j->stage = BATCH_COMMIT; break;
    case WALK_FAILED: j->stage = BATCH_UNDONE; break;
    }
    touched_free(b);
    return STEP_MORE;
}

static enum step commit(struct job *j) {
    batch_point("before-commit");
    if (renameat(j->top, JOURNAL_OPEN, j->top, JOURNAL_COMMITTED) != 0) {
        note_failure(j, errno);
        j->stage = BATCH_UNDONE;
        return STEP_MORE;
    }
    batch_point("committed");
    batch_of(j)->at = 0;
    j->stage = j->flags & B_DURABLE ? BATCH_FLUSH_COMMIT : BATCH_APPLY;
    return STEP_MORE;
}

/* From the one in hand on, which may have been carried out by half. */
static enum step begin_undo(struct job *j) {
    struct batch *b = batch_of(j);
    j->stage = journal_load(b, b->at) || journal_previous(b) ? BATCH_UNDO : BATCH_UNDONE;
    return STEP_MORE;
}

static enum step apply(struct job *j) {
    switch (forward(j, batch_apply)) {
    case WALK_ON: return STEP_MORE;
    case WALK_END: j->stage = j->flags & B_DURABLE ? BATCH_FLUSH_APPLIED : BATCH_APPLIED; return STEP_MORE;
    case WALK_FAILED: break;
    }
    return begin_undo(j);
}

static enum step undo(struct job *j) {
    struct batch *b = batch_of(j);
    uint64_t until = now_ns() + BATCH_STEP_US * 1000ull;
    for (unsigned done = 1; !time_is_up(until, done); done++) {
        batch_undo(j);
        if (journal_previous(b)) continue;
        j->stage = BATCH_UNDONE;
        break;
    }
    return STEP_MORE;
}

static enum step flush(struct job *j, unsigned next) {
    if (j->helper != 0) return STEP_WAIT;
    if (!j->more) {
        j->more = job_sync_all(j, j->top);
        return j->more ? STEP_WAIT : batch_refuse_now(j, errno);
    }
    j->more = false;
    int error = j->helper_answer;
    if (error == 0) {
        j->stage = next;
        return STEP_MORE;
    }
    if (j->stage == BATCH_FLUSH) return batch_refuse_now(j, error);
    note_failure(j, error);
    if (j->stage == BATCH_FLUSH_APPLIED) return begin_undo(j);
    j->stage = BATCH_UNDONE;
    return STEP_MORE;
}

/* From here on the batch is over for whoever comes later; then others go on. */
static enum step over(struct job *j) {
    batch_point(batch_of(j)->failed ? "before-undone" : "before-over");
    (void)renameat(j->top, JOURNAL_COMMITTED, j->top, JOURNAL_OVER);
    batch_point("over");
    job_release(j);
    batch_of(j)->at = batch_of(j)->failed ? batch_of(j)->failed_at : 0;
    bool conflict = batch_of(j)->failed && batch_of(j)->code == FE_CONFLICT && j->channel != NULL;
    bool tell = !batch_of(j)->failed && !(j->flags & B_QUIET) && j->channel != NULL;
    j->stage = conflict ? BATCH_SETTLE : tell ? BATCH_TELL : batch_of(j)->recovering ? BATCH_FIND : BATCH_CLEAN;
    return STEP_MORE;
}

/* ---- what is told ---- */

static enum step settle_conflict(struct job *j) {
    char leaf[NAME_BYTES + 1];
    struct batch *b = batch_of(j);
    struct stat st;
    int folder = journal_load(b, b->at) ? batch_place(&b->r, leaf) : -1;
    bool there = folder >= 0 && fstatat(folder, leaf, &st, AT_SYMLINK_NOFOLLOW) == 0;
    (void)close_fd(folder);
    j->etag[0] = 0;
    if (there && !job_settle(j, &st)) return STEP_WAIT;
    j->stage = BATCH_CLEAN;
    return STEP_MORE;
}

/* Only a moved file's etag may have to wait for the clock; what the batch wrote has a time of its own. */
static bool put_result(struct job *j) {
    char leaf[NAME_BYTES + 1];
    struct stat st;
    bool created;
    int folder;
    batch_result(j, &st, &created, &folder, leaf);
    bool wrote = batch_of(j)->r.kind == B_WRITE && S_ISREG(st.st_mode);
    bool settled = wrote || job_settle(j, &st);
    if (settled) {
        put_u8(j->channel, created);
        put_stat(j, &st, folder, leaf);
        j->settle_until = 0;
    }
    (void)close_fd(folder);
    return settled;
}

static enum step tell(struct job *j) {
    struct batch *b = batch_of(j);
    struct channel *c = j->channel;
    uint64_t until = now_ns() + BATCH_STEP_US * 1000ull;
    uint16_t n = 0;
    bool settled = true;
    bool readable = true;
    if (c == NULL) {
        j->stage = BATCH_CLEAN;
        return STEP_MORE;
    }
    frame_begin(c, F_BATCH_RESULTS, j->request);
    put_u16(c, 0);
    size_t begin = c->out_end;
    while (b->at < b->end && !c->broken && c->out_end - begin < RESULTS_TARGET && now_ns() < until) {
        readable = journal_load(b, b->at);
        settled = readable && put_result(j);
        if (!settled) break;
        b->at += b->r.bytes;
        n++;
    }
    if (c->broken) return STEP_MORE;
    if (n == 0) frame_drop(c);
    else {
        c->out_bytes[c->frame_at + HEADER_BYTES] = (uint8_t)(n >> 8);
        c->out_bytes[c->frame_at + HEADER_BYTES + 1] = (uint8_t)n;
        frame_end(c);
    }
    if (b->at >= b->end || !readable) j->stage = BATCH_CLEAN;
    return settled || !readable ? STEP_MORE : STEP_WAIT;
}

static enum step answer(struct job *j) {
    struct batch *b = batch_of(j);
    if (b->failed) say_refused(j);
    else if (j->channel != NULL) {
        frame_begin(j->channel, F_BATCH_DONE, j->request);
        put_u32(j->channel, b->count);
        frame_end(j->channel);
    }
    j->stage = BATCH_OVER;
    return STEP_DONE;
}

static enum step clean(struct job *j) {
    struct batch *b = batch_of(j);
    if (!b->cleaning) {
        b->cleaning = true;
        job_release(j);
        j->fd = close_fd(j->fd);
        b->journal = close_fd(b->journal);
        touched_free(b);
    }
    struct channel *c = j->channel;
    j->channel = NULL; /* what cannot be put away now is for the next agent, and no failure of the batch */
    bool away = j->top < 0 || delete_take_apart(j) == STEP_DONE;
    j->channel = c;
    if (!away) return STEP_MORE;
    j->fd = close_fd(j->fd);
    j->top = close_fd(j->top);
    j->temp[0] = 0;
    j->stage = BATCH_ANSWER;
    return STEP_MORE;
}

enum step batch_commit_step(struct job *j) {
    switch (j->stage) {
    case BATCH_FLUSH: return flush(j, BATCH_CHECK);
    case BATCH_CHECK: return check(j);
    case BATCH_COMMIT: return commit(j);
    case BATCH_FLUSH_COMMIT: return flush(j, BATCH_APPLY);
    case BATCH_APPLY: return apply(j);
    case BATCH_FLUSH_APPLIED: return flush(j, BATCH_APPLIED);
    case BATCH_UNDO: return undo(j);
    case BATCH_APPLIED: case BATCH_UNDONE: return over(j);
    case BATCH_SETTLE: return settle_conflict(j);
    case BATCH_TELL: return tell(j);
    case BATCH_CLEAN: return clean(j);
    case BATCH_FIND: return batch_find(j);
    default: return answer(j);
    }
}

bool batch_drop(struct job *j) {
    struct batch *b = batch_of(j);
    if (b != NULL && j->stage != BATCH_OVER && j->temp[0] != 0) {
        if (j->stage == BATCH_GATHER || j->stage == BATCH_FLUSH || j->stage == BATCH_CHECK) {
            job_release(j);
            j->stage = BATCH_CLEAN;
        }
        j->channel = NULL;
        j->wake = 0;
        return true;
    }
    job_release(j);
    if (b == NULL) return false;
    touched_free(b);
    b->journal = close_fd(b->journal);
    return false;
}

bool batch_is_final(const struct job *j) { return j->stage > BATCH_CHECK; }
