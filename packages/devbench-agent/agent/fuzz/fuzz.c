/* libFuzzer's way into the agent: bytes from a host go through the real channel, dispatch, commands and file jobs.
 *
 * Starting processes is the one thing that is replaced: a keeper would fork the fuzzer. What a keeper reports is played
 * back from the input instead, so that endings, spools and resumes are reached. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../auth.h"
#include "../channel.h"
#include "../command.h"
#include "../exchange.h"
#include "../job.h"
#include "../keeper.h"
#include "../keepers.h"
#include "../loop.h"
#include "../observer.h"
#include "../process.h"
#include "../resolve.h"
#include "../roots.h"
#include "../tree.h"
#include "../util.h"

#define ROUNDS_PER_FRAME 3
#define KEEPERS 64

static struct {
    int output, errors, side, control;
} keepers[KEEPERS];
static unsigned kept;
static char workspace[] = "/tmp/devbench-fuzz-XXXXXX";
#define ROOT "/tmp/devbench-fuzz-root"

/* ---- stand-ins ---- */

_Noreturn void keeper_main(struct order *first) {
    (void)first;
    abort(); /* never forked here */
}

/* None ever rests, so that each START comes to `fuzz_keep`. */
pid_t keepers_use(const struct frame *f, const int fds[HANDED_FDS], int *control) { return f == NULL || fds == NULL ? *control : 0; }
void keepers_rest(pid_t pid, int control) { (void)(pid > 0 ? close_fd(control) : control); }
void keepers_reaped(pid_t pid) { (void)pid; }

bool process_stopping(void) { return false; }
bool process_counts_blocks(void) { return false; }
void process_oom_raise(void) {}
void process_oom_restore(void) {}
struct rlimit process_nofile_before(void) { return (struct rlimit){1024, 1024}; }

bool tree_is_inside(pid_t pid) { return pid < 0; }
void tree_signal(const struct command *x, int number, enum tree_scope scope) {
    (void)x;
    (void)number;
    (void)scope;
}
unsigned tree_count(const struct command *x) { return x->leader_ended; }
unsigned tree_kill(const struct command *x) {
    (void)x;
    return 0;
}

/* start.c closes its copies of the command's ends; these are kept to write to. */
void fuzz_keep(const struct launch *l);
void fuzz_keep(const struct launch *l) {
    if (kept == KEEPERS) return;
    keepers[kept].output = dup(l->output);
    keepers[kept].errors = dup(l->errors);
    keepers[kept].side = l->side < 0 ? -1 : dup(l->side);
    keepers[kept].control = dup(l->control);
    kept++;
}

static void drop_keepers(void) {
    for (unsigned i = 0; i < kept; i++) {
        (void)close_fd(keepers[i].output);
        (void)close_fd(keepers[i].errors);
        (void)close_fd(keepers[i].side);
        (void)close_fd(keepers[i].control);
    }
    kept = 0;
}

/* ---- one input ---- */

static void rounds(int host) {
    static uint8_t rubbish[1 << 16];
    for (int i = 0; i < ROUNDS_PER_FRAME; i++) {
        uint64_t now = now_ns();
        (void)commands_run(now);
        (void)observers_run(now);
        (void)jobs_run(now);
        (void)channels_run(now);
        loop_once(0);
        int status; /* of a helper that flushed a file */
        for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) jobs_reaped(pid, status);
        while (read(host, rubbish, sizeof rubbish) > 0) continue;
    }
}

/* An action of a command's processes: which, what, and how much. */
static void act(const uint8_t *p) {
    static const uint8_t text[256];
    if (kept == 0) return;
    unsigned i = p[0] % kept;
    struct report r = {.kind = 1u + p[1] % 4u, .pid = 4242, .status = p[2] << 8, .at_ns = now_ns(), .error = p[2],
                       .stage = p[2] % 5u};
    r.empty = r.kind == K_FAILED || r.kind == K_EMPTY || p[2] & 1;
    if (p[1] & 0x80) (void)send(keepers[i].control, &r, sizeof r, MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (p[1] & 0x20 && keepers[i].side >= 0) (void)send(keepers[i].side, text, p[2], MSG_DONTWAIT | MSG_NOSIGNAL);
    else if (write(p[1] & 1 ? keepers[i].output : keepers[i].errors, text, p[2]) < 0 && errno == EPIPE) return;
    if (p[1] & 0x40) keepers[i].control = close_fd(keepers[i].control);
}

static void authenticate(struct channel *c) {
    /* The handshake's mathematics is not for a fuzzer: its first byte says whether it is passed. */
    c->state = CH_OPEN;
    c->out_start = c->out_end = 0;
}

static void reset(int host) {
    (void)close_fd(host);
    for (size_t i = 0; i < CHANNEL_SLOTS; i++) {
        channel_end(&channels[i]);
        channels[i].close_by = 0;
        channels[i].broken = channels[i].state != CH_FREE;
    }
    (void)channels_run(now_ns());
    for (size_t i = 0; i < EXECS_MAX; i++)
        if (commands[i].state != 0) command_free(&commands[i]);
    drop_keepers();
}

static bool prepare(void) {
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) return false;
    if (!loop_open() || !auth_init() || mkdtemp(workspace) == NULL) return false;
    for (size_t i = 0; i < CHANNEL_SLOTS; i++) channels[i].in.fd = channels[i].out.fd = -1;
    resolve_init(getenv("FUZZ_BY_HAND") == NULL);
    return roots_begin(workspace) && (mkdir(ROOT, 0700) == 0 || errno == EEXIST) && roots_add(ROOT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

/* The input: a byte of options, then pieces of [length u8, kind u8, bytes]: kind's lowest bit set is an action of
 * processes, else bytes from the host; a piece of frame type, id and payload gets its length field made right. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n) {
    static bool ready;
    int pair[2];
    if (!ready && !(ready = prepare())) abort();
    if (n < 1 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, pair) != 0) return 0;
    int out = fcntl(pair[1], F_DUPFD_CLOEXEC, 3);
    struct channel *c = channel_open(pair[1], out, false);
    if (c == NULL) abort();
    if (data[0] & 1) authenticate(c);
    for (size_t at = 1; at + 2 < n;) {
        size_t size = data[at];
        uint8_t kind = data[at + 1];
        const uint8_t *p = data + at + 2;
        if (size > n - at - 2) size = n - at - 2;
        at += 2 + size;
        if ((kind & 1) && size >= 3) act(p);
        else if ((kind & 2) && size >= 2) {
            uint8_t head[HEADER_BYTES] = {0, 0, 0, (uint8_t)(size - 2), p[0], 0, 0, 0, 0, p[1]};
            (void)!write(pair[0], head, sizeof head);
            (void)!write(pair[0], p + 2, size - 2);
        } else (void)!write(pair[0], p, size);
        rounds(pair[0]);
    }
    rounds(pair[0]);
    reset(pair[0]);
    return 0;
}
