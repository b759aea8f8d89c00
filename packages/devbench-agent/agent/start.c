/* START: from a frame to a keeper. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "ending.h"
#include "keeper.h"
#include "keepers.h"
#include "order.h"
#include "output.h"
#include "process.h"
#include "roots.h"
#include "side.h"
#include "stdin.h"
#include "terminal.h"
#include "util.h"

#ifdef FUZZING /* the fuzzer plays the keeper's part itself */
void fuzz_keep(const struct launch *l);
#define FORK() (fuzz_keep(&o->launch), 0x3ffffff)
#else
#define FORK() fork()
#endif

struct pipes {
    int input[2], output[2], errors[2], side[2], control[2];
};

static void close_pipes(struct pipes *p) {
    int *all[] = {p->input, p->output, p->errors, p->side, p->control};
    for (size_t i = 0; i < COUNT(all); i++) {
        all[i][0] = close_fd(all[i][0]);
        all[i][1] = close_fd(all[i][1]);
    }
}

static bool open_pipes(struct pipes *p, bool input, bool side) {
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (!input) p->input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    /* Without a /dev/null an input whose writer is gone serves as well. */
    if (p->input[0] < 0 && pipe2(p->input, O_CLOEXEC) != 0) return false;
    if (!input) p->input[1] = close_fd(p->input[1]);
    bool fine = pipe2(p->output, O_CLOEXEC) == 0 && pipe2(p->errors, O_CLOEXEC) == 0 && (!side || side_open(p->side));
    note_fd(p->input[0]);
    note_fd(p->input[1]);
    note_fd(p->output[1]);
    note_fd(p->errors[1]);
    note_fd(p->side[1]);
    return fine;
}

/* The same ends, of a terminal: each is a copy, since each has an owner that closes it. */
static bool open_terminal(struct command *x, struct pipes *p, struct size size) {
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (!terminal_open(&p->output[0], &x->terminal, size)) {
        x->failure = X_NO_TERMINAL;
        x->failure_message = "no terminal could be opened: it takes /dev/ptmx and a /dev/pts of the container's own";
        return false;
    }
    p->input[1] = fcntl(p->output[0], F_DUPFD_CLOEXEC, 0);
    int *command[] = {&p->input[0], &p->output[1], &p->errors[1]};
    bool fine = p->input[1] >= 0;
    for (size_t i = 0; i < COUNT(command) && fine; i++) {
        *command[i] = fcntl(x->terminal, F_DUPFD_CLOEXEC, 0);
        note_fd(*command[i]);
        fine = *command[i] >= 0;
    }
    note_fd(p->input[1]);
    return fine;
}

static void take_ends(struct command *x, struct pipes *p, bool *fine) {
    int outputs[STREAMS] = {p->output[0], p->errors[0], p->side[0]};
    *fine = stdin_open(x, p->input[1]);
    *fine = output_open(x, outputs) && *fine;
    p->input[1] = p->output[0] = p->errors[0] = p->side[0] = -1;
}

static pid_t fork_keeper(struct order *o, struct pipes *p) {
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->control) != 0) return -1;
    note_fd(p->control[0]);
    note_fd(p->control[1]);
    o->launch.input = p->input[0];
    o->launch.output = p->output[1];
    o->launch.errors = p->errors[1];
    o->launch.side = p->side[1];
    o->launch.control = p->control[1];
    o->launch.workspace = roots_workspace();
    o->launch.nofile_before = process_nofile_before();
    process_oom_raise();
    pid_t pid = FORK();
    int error = errno;
    if (pid == 0) keeper_main(o);
    process_oom_restore();
    errno = error;
    return pid;
}

static pid_t find_keeper(const struct frame *f, struct order *o, struct pipes *p) {
    const int fds[HANDED_FDS] = {p->input[0], p->output[1], p->errors[1], p->side[1]};
    pid_t pid = keepers_use(f, fds, &p->control[0]);
    return pid > 0 ? pid : fork_keeper(o, p);
}

static void not_started(struct command *x, int error) {
    x->terminal = close_fd(x->terminal);
    if (x->failure == 0) {
        x->failure = X_NO_RESOURCES;
        x->failure_message = "the agent has no descriptors, memory or processes left";
    }
    x->failure_errno = (uint32_t)error;
    x->empty = x->leader_ended = x->finished = x->due_ending = true;
    output_give_up(x);
    x->ended_ns = now_ns();
    x->state = ST_ENDED;
    stdin_close(x);
}

static void fill_in(struct command *x, struct channel *c, const struct frame *f, const struct order *o) {
    uint32_t spool = o->spool_bytes == 0 ? SPOOL_DEFAULT : o->spool_bytes;
    *x = (struct command){.state = ST_RUNNING, .handle = f->id, .flags = o->flags, .owner = c};
    x->control.fd = x->out[0].fd = x->out[1].fd = x->out[SIDE].fd = x->input.fd = x->terminal = -1;
    memcpy(x->key, o->key.p, o->key.n);
    x->began_ns = now_ns();
    /* A timeout beyond a century is none. */
    bool timed = o->timeout_ms != 0 && o->timeout_ms < UINT64_MAX / NS_PER_MS / 4;
    x->timeout_at = timed ? x->began_ns + o->timeout_ms * NS_PER_MS : NEVER;
    x->hang_up_at = NEVER;
    x->grace_ms = o->grace_ms;
    x->limit = o->window;
    spool_init(&x->spool, spool < SPOOL_MIN ? SPOOL_MIN : spool > SPOOL_MAX ? SPOOL_MAX : spool);
}

static void run(struct command *x, const struct frame *f, struct order *o) {
    struct pipes p;
    bool fine = o->launch.terminal ? open_terminal(x, &p, o->size)
                                   : open_pipes(&p, (o->flags & S_STDIN) != 0, (o->flags & S_SIDE) != 0);
    int error = errno;
    if (fine) take_ends(x, &p, &fine);
    else x->input_closed = true;
    if (fine) {
        x->keeper = find_keeper(f, o, &p);
        fine = x->keeper > 0;
        error = errno;
    }
    if (fine) {
        ending_watch(x, p.control[0]);
        p.control[0] = -1;
        output_settle(x);
    } else {
        x->keeper = 0;
        for (unsigned i = 0; i < STREAMS; i++) watch_close(&x->out[i]);
        not_started(x, error);
    }
    close_pipes(&p);
}

void command_start(struct channel *c, const struct frame *f) {
    struct order o = {.map = NULL};
    enum parsed answer = order_parse(&o, f);
    struct command *x = NULL;
    if (answer == PARSE_MALFORMED) channel_error(c, E_MALFORMED, "START does not parse");
    else if (answer == PARSE_INVALID) channel_refuse(c, f, R_INVALID, "a value of START is out of its range");
    else if (process_stopping()) channel_refuse(c, f, R_SHUTDOWN, "the agent is shutting down");
    else if (command_find(f->id) != NULL) channel_refuse(c, f, R_EXISTS, "the handle is in use");
    else if (c->running_max != 0 && commands_count().running >= c->running_max)
        channel_refuse(c, f, R_BUSY, "as many commands run as the host allows");
    else if (answer == PARSE_NO_MEMORY || commands_count().running >= EXECS_LIVE_MAX ||
             (x = command_free_slot()) == NULL)
        channel_refuse(c, f, R_TOO_MANY, "too many commands");
    if (x != NULL) {
        command_note_handle(f->id);
        fill_in(x, c, f, &o);
        run(x, f, &o);
    }
    order_drop(&o);
}
