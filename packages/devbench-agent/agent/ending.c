#include "ending.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "keeper.h"
#include "keepers.h"
#include "output.h"
#include "process.h"
#include "stdin.h"
#include "tree.h"
#include "util.h"

static const char *failure_of(const struct report *r, uint8_t *code) {
    int e = r->error;
    *code = X_OTHER;
    if (r->stage == STAGE_DIRECTORY) {
        *code = X_BAD_DIRECTORY;
        return "the working directory cannot be entered";
    }
    if (r->stage == STAGE_TERMINAL) {
        *code = X_NO_TERMINAL;
        return "the terminal could not be made the command's own";
    }
    if (e == ENOMEM || e == EAGAIN || e == EMFILE || e == ENFILE) {
        *code = X_NO_RESOURCES;
        return "there are no resources for one more process";
    }
    if (r->stage != STAGE_EXEC) return "the process could not be prepared";
    if (e == ENOENT || e == ENOTDIR) {
        *code = X_NOT_FOUND;
        return "no such program, or its interpreter is missing";
    }
    if (e == E2BIG || e == ENAMETOOLONG) {
        *code = X_TOO_LONG;
        return "the arguments and the environment are too long";
    }
    if (e == EACCES || e == ENOEXEC || e == EPERM || e == EISDIR || e == ETXTBSY || e == ELOOP) {
        *code = X_NOT_EXECUTABLE;
        return "the file cannot be executed";
    }
    return "the program could not be executed";
}

static void finish(struct command *x) {
    x->finished = true;
    x->state = ST_ENDED;
    x->due_ending = true;
    if (x->leader == 0) x->due_started = true; /* a lost keeper could not say so */
    if (x->ended_ns == 0) x->ended_ns = now_ns();
    if (!x->empty) x->leftovers = tree_count(x);
    stdin_close(x);
    x->terminal = close_fd(x->terminal);
    output_discard_rest(x);
}

static void failed(struct command *x, const struct report *r) {
    x->failure_message = failure_of(r, &x->failure);
    x->failure_errno = (uint32_t)r->error;
    x->empty = true;
    x->leader_ended = true;
    x->phase = KILL_NONE;
    finish(x);
    x->due_started = false;
}

/* Shells at a terminal ignore TERM: what ends them is that their terminal goes. One that is about to read keeps the
 * first HUP for when it has read something; a second one it obeys at once. */
static void ask_to_end(struct command *x) {
    if (x->flags & S_TTY) tree_signal(x, SIGHUP, TREE_ALL);
    if (x->flags & S_TTY) x->hang_up_at = now_ns() + HANG_UP_AGAIN_MS * NS_PER_MS;
    tree_signal(x, SIGTERM, TREE_ALL);
}

static void started(struct command *x, const struct report *r) {
    x->leader = r->pid;
    x->due_started = true;
    x->hold_until = now_ns() + STARTED_HOLD_MS * NS_PER_MS;
    if (x->phase == KILL_TERM) ask_to_end(x); /* asked to end before it began */
}

static void leader_ended(struct command *x, const struct report *r) {
    x->leader_ended = x->status_known = true;
    x->status = r->status;
    x->ended_ns = r->at_ns;
    x->usage = r->usage;
    /* It was faster than its timeout, although this was noticed later. */
    if (x->reason == N_TIMED_OUT && r->at_ns < x->timeout_at) x->reason = 0;
}

static void release_keeper(struct command *x, bool leaves) {
    int control = x->control.fd;
    (void)watch_want(&x->control, 0);
    x->control.fd = -1;
    if (leaves) (void)close_fd(control);
    else keepers_rest(x->keeper, control);
    x->keeper = 0;
}

static void on_report(struct command *x, const struct report *r) {
    if (r->kind == K_FAILED) failed(x, r);
    if (r->kind == K_STARTED) started(x, r);
    if (r->kind == K_ENDED) leader_ended(x, r);
    if (!r->empty) return;
    x->empty = true;
    x->phase = KILL_NONE;
    if (!x->finished && r->kind == K_EMPTY) x->usage = r->usage; /* with what outlived the leader */
    release_keeper(x, r->leaves);
}

static void lost(struct command *x) {
    watch_close(&x->control);
    if (x->empty) return;
    /* Somebody of the tree's own user killed the keeper: what was beneath it is now beneath the agent. */
    x->keeper_lost = true;
    x->keeper = 0;
    x->phase = KILL_HARD;
    x->stuck = false;
    x->kill_since = x->phase_at = now_ns();
}

static void read_reports(struct command *x) {
    while (x->control.fd >= 0) {
        struct report r;
        ssize_t n = recv(x->control.fd, &r, sizeof r, MSG_DONTWAIT);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno == EAGAIN) return;
        if (n == (ssize_t)sizeof r) on_report(x, &r);
        else lost(x);
    }
}

static void on_control(struct watch *w, uint32_t events) {
    (void)events;
    read_reports((struct command *)(void *)((char *)w - offsetof(struct command, control)));
}

void commands_reaped(pid_t pid) {
    struct command *x = command_by_keeper(pid);
    if (x != NULL) {
        read_reports(x);
        /* Killed between its fork and the program's exec, the child still holds the socket: no end of file yet. */
        if (!x->empty && !x->keeper_lost) lost(x);
        x->keeper = 0;
    }
    keepers_reaped(pid); /* after its last report, which may have put it to rest */
}

void ending_watch(struct command *x, int control) {
    x->control = (struct watch){control, 0, on_control};
    if (!watch_want(&x->control, EPOLLIN)) lost(x);
}

void ending_begin(struct command *x, uint8_t reason, uint32_t grace_ms) {
    uint64_t now = now_ns();
    uint64_t hard_at = now + grace_ms * NS_PER_MS;
    read_reports(x);
    if (x->empty || x->keeper_lost) return;
    if (x->leader_ended) reason = 0;
    if (x->phase == KILL_NONE) {
        x->phase = KILL_TERM;
        x->phase_at = hard_at;
        x->reason = reason;
        if (grace_ms == 0) return;
        ask_to_end(x);
        tree_signal(x, SIGCONT, TREE_ALL);
    } else if (x->phase == KILL_TERM && hard_at < x->phase_at) {
        x->phase_at = hard_at;
    }
}

static void hang_up_again(struct command *x, uint64_t now) {
    if (now < x->hang_up_at) return;
    if (x->phase == KILL_TERM && !x->empty) tree_signal(x, SIGHUP, TREE_ALL);
    x->hang_up_at = NEVER;
}

static void advance_kill(struct command *x, uint64_t now) {
    if (x->phase == KILL_NONE || now < x->phase_at) return;
    if (x->phase == KILL_TERM) {
        x->phase = KILL_HARD;
        x->kill_since = now;
    }
    unsigned found = tree_kill(x);
    if (x->keeper_lost && found == 0) {
        x->empty = true;
        x->phase = KILL_NONE;
        return;
    }
    x->stuck = x->stuck || now - x->kill_since > KILL_SECONDS * NS_PER_S;
    x->phase_at = now + (x->stuck ? KILL_SLOW_MS : KILL_PASS_MS) * NS_PER_MS;
}

/* Whether everything that must come before the ending has come; *again when there is work to do at once. */
static bool complete(struct command *x, bool *again) {
    if (x->keeper_lost ? !x->empty && !x->stuck : !x->leader_ended && !x->stuck) return false;
    if (x->leader_ended && !x->empty && !x->stuck && x->phase == KILL_NONE && (x->flags & S_END_LEFTOVERS))
        ending_begin(x, 0, x->grace_ms);
    if (!x->empty && !x->stuck && x->phase != KILL_NONE) return false;
    if (!x->leader_ended) x->leader_ended = true; /* lost or unkillable: what is in the pipes is all */
    /* Nothing is sent before the start is known, so a full spool would wait for ever: what is in it is all. */
    if (x->leader == 0) output_give_up(x);
    output_settle(x);
    for (unsigned i = 0; i < STREAMS; i++) *again = *again || (!x->drained[i] && x->out[i].events != 0);
    return output_drained(x);
}

static bool has_timeout(const struct command *x) {
    return x->timeout_at != NEVER && !x->leader_ended && x->phase == KILL_NONE && !x->finished;
}

static uint64_t run_one(struct command *x, uint64_t now) {
    bool again = false;
    if (has_timeout(x) && now >= x->timeout_at) ending_begin(x, N_TIMED_OUT, x->grace_ms);
    hang_up_again(x, now);
    advance_kill(x, now);
    if (!x->finished && complete(x, &again)) finish(x);
    if (x->state == ST_LEFTOVERS && x->empty) {
        command_free(x);
        return NEVER;
    }
    if (again) return now;
    uint64_t next = x->phase != KILL_NONE ? x->phase_at : has_timeout(x) ? x->timeout_at : NEVER;
    if (x->hang_up_at < next) next = x->hang_up_at;
    return command_held(x, now) && x->hold_until > now && x->hold_until < next ? x->hold_until : next;
}

uint64_t commands_run(uint64_t now) {
    uint64_t next = NEVER;
    for (size_t i = 0; i < commands_top; i++) {
        if (commands[i].state == 0) continue;
        uint64_t at = run_one(&commands[i], now);
        if (at < next) next = at;
    }
    return next;
}

void ending_acknowledged(struct command *x) {
    x->due_ending = false;
    x->state = ST_LEFTOVERS;
    x->owner = NULL;
    spool_free(&x->spool);
    if (x->empty) command_free(x);
}

void commands_stop(uint32_t grace_ms) {
    for (size_t i = 0; i < commands_top; i++) {
        struct command *x = &commands[i];
        if (x->state == 0) continue;
        bool asked = x->reason != 0;
        ending_begin(x, N_CANCELLED, grace_ms);
        x->with_agent = !asked && x->reason == N_CANCELLED;
    }
}

bool commands_all_gone(void) {
    for (size_t i = 0; i < commands_top; i++)
        if (commands[i].state != 0 && !commands[i].empty) return false;
    return true;
}

static bool told(const struct command *x) {
    if (x->state == 0 || x->state == ST_LEFTOVERS || x->owner == NULL) return true;
    return x->finished && x->sent >= x->spool.next && (!x->due_ending || x->with_agent);
}

bool commands_all_told(void) {
    for (size_t i = 0; i < commands_top; i++)
        if (!told(&commands[i])) return false;
    return true;
}

/* ---- the frames ---- */

static uint8_t reason_of(const struct command *x) {
    if (x->reason != 0) return x->reason;
    if (!x->status_known) return N_LOST;
    return WIFSIGNALED(x->status) ? N_SIGNALED : N_EXITED;
}

static void send_failed(struct channel *c, const struct command *x) {
    frame_begin(c, F_FAILED, x->handle);
    put_u8(c, x->failure);
    put_u32(c, x->failure_errno);
    put_str(c, x->failure_message);
    frame_end(c);
}

static const char *message_of(const struct command *x) {
    if (x->keeper_lost) return "the keeper was killed from inside; everything beneath it was ended";
    if (x->stuck) return "some processes could not be killed";
    return "";
}

/* What the kernel did not tell is not made up: a killed keeper took the counts with it. */
static void put_usage(struct channel *c, const struct command *x) {
    const struct usage *u = &x->usage;
    const uint64_t counts[] = {u->user_us, u->system_us, u->rss_bytes, u->voluntary, u->involuntary};
    const uint64_t blocks[] = {u->read_bytes, u->written_bytes};
    for (size_t i = 0; i < COUNT(counts); i++) put_u64(c, x->status_known ? counts[i] : UINT64_MAX);
    bool told = x->status_known && process_counts_blocks();
    for (size_t i = 0; i < COUNT(blocks); i++) put_u64(c, told ? blocks[i] : UINT64_MAX);
}

static void send_ended(struct channel *c, const struct command *x) {
    bool exited = x->status_known && WIFEXITED(x->status);
    bool signaled = x->status_known && WIFSIGNALED(x->status);
    frame_begin(c, F_ENDED, x->handle);
    put_u8(c, reason_of(x));
    put_u32(c, exited ? (uint32_t)WEXITSTATUS(x->status) : UINT32_MAX);
    put_u32(c, signaled ? (uint32_t)WTERMSIG(x->status) : 0);
    put_u8(c, signaled && WCOREDUMP(x->status) ? 1 : 0);
    put_u64(c, (x->ended_ns - x->began_ns) / 1000u);
    put_usage(c, x);
    put_u64(c, x->spool.next);
    put_u32(c, x->leftovers);
    put_str(c, message_of(x));
    frame_end(c);
}

void ending_send(struct channel *c, struct command *x) {
    x->due_ending = false;
    if (x->failure != 0) send_failed(c, x);
    else send_ended(c, x);
}
