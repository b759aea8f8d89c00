/* devbench-agent: PID 1 of every devbench container, and beside it once for each other user that is asked for. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "auth.h"
#include "bridge.h"
#include "channel.h"
#include "command.h"
#include "exchange.h"
#include "guest.h"
#include "job.h"
#include "keepers.h"
#include "listen.h"
#include "loop.h"
#include "observer.h"
#include "process.h"
#include "resolve.h"
#include "roots.h"
#include "spool.h"
#include "util.h"

#ifndef AGENT_VERSION
#define AGENT_VERSION "0"
#endif

struct options {
    const char *socket, *workspace, *root[ROOTS_MAX];
    size_t roots;
    unsigned long long spool_total, peer;
    bool connect, guest, stdio, no_openat2, no_renameat2;
};

static const char USAGE[] =
    "usage: devbench-agent [--stdio] [--socket PATH] [--workspace DIR] [--root DIR]... [--spool-total BYTES] [--guest]\n"
    "       devbench-agent connect --socket PATH [--peer PID]\n"
    "       devbench-agent --version\n";

static bool number(const char *text, unsigned long long *v) {
    char *end = NULL;
    errno = 0;
    if (text == NULL || text[0] < '0' || text[0] > '9') return false;
    *v = strtoull(text, &end, 10);
    return errno == 0 && *end == 0;
}

static int add_root(struct options *o, const char *path) {
    if (path == NULL || o->roots == ROOTS_MAX) return 0;
    o->root[o->roots++] = path;
    return 2;
}

/* How many arguments were used; 0 is an error. */
static int option(struct options *o, char **a) {
    if (strcmp(a[0], "--stdio") == 0) o->stdio = true;
    else if (strcmp(a[0], "--guest") == 0) o->guest = true;
    else if (strcmp(a[0], "--no-openat2") == 0) o->no_openat2 = true; /* for tests: as on kernels that refuse it */
    else if (strcmp(a[0], "--no-renameat2") == 0) o->no_renameat2 = true;
    else if (strcmp(a[0], "--socket") == 0) o->socket = a[1];
    else if (strcmp(a[0], "--workspace") == 0) o->workspace = a[1];
    else if (strcmp(a[0], "--root") == 0) return add_root(o, a[1]);
    else if (strcmp(a[0], "--spool-total") == 0) return number(a[1], &o->spool_total) ? 2 : 0;
    else if (strcmp(a[0], "--peer") == 0) return number(a[1], &o->peer) ? 2 : 0;
    else return 0;
    bool valued = strcmp(a[0], "--socket") == 0 || strcmp(a[0], "--workspace") == 0;
    return !valued ? 1 : a[1] != NULL ? 2 : 0;
}

static bool parse(struct options *o, int argc, char **argv) {
    *o = (struct options){.spool_total = SPOOL_TOTAL, .peer = 1};
    int i = argc > 1 && strcmp(argv[1], "connect") == 0 ? 2 : 1;
    o->connect = i == 2;
    while (i < argc) {
        int used = option(o, argv + i);
        if (used == 0) return false;
        i += used;
    }
    if (o->guest && (o->connect || !o->stdio)) return false;
    return o->connect ? o->socket != NULL : o->socket != NULL || o->stdio;
}

static int complain(const char *what) {
    (void)fprintf(stderr, "devbench-agent: %s: %s\n", what, strerror(errno));
    return 1;
}

/* The channel gets copies; 0 and 1 then lead nowhere, so that nothing else is ever written to the host. */
static bool open_stdio(void) {
    int in = fcntl(0, F_DUPFD_CLOEXEC, 3);
    int out = fcntl(1, F_DUPFD_CLOEXEC, 3);
    int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (nowhere < 0) nowhere = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (in < 0 || out < 0 || nowhere < 0 || dup2(nowhere, 0) != 0 || dup2(nowhere, 1) != 1) return false;
    (void)close_fd(nowhere);
    return channel_open(in, out, true) != NULL;
}

static uint64_t earlier(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t round_of_work(void) {
    uint64_t now = now_ns();
    uint64_t next = commands_run(now);
    next = earlier(next, observers_run(now));
    next = earlier(next, jobs_run(now));
    next = earlier(next, channels_run(now));
    next = earlier(next, jobs_due());
    next = earlier(next, commands_due(now));
    next = earlier(next, keepers_run(now));
    return earlier(next, listen_run(now));
}

static void run(bool guest) {
    for (;;) {
        uint64_t next = round_of_work();
        if (process_stopping() || (guest && guest_is_forsaken())) break;
        loop_once(next);
    }
    /* The engine that asked waits: TERM for all, a moment, KILL, and the kernel takes the rest with PID 1. */
    uint64_t until = now_ns() + STOP_TOTAL_MS * NS_PER_MS;
    commands_stop(STOP_GRACE_MS);
    while (!commands_all_gone() && now_ns() < until) loop_once(earlier(round_of_work(), until));
    until = now_ns() + STOP_TELL_MS * NS_PER_MS;
    while (!commands_all_told() && now_ns() < until) loop_once(earlier(round_of_work(), until));
    for (size_t i = 0; i < CHANNEL_SLOTS; i++) channel_goodbye(&channels[i], G_SHUTDOWN, "the container ends");
    (void)channels_run(now_ns());
    listen_close();
}

static int open_roots(const struct options *o) {
    resolve_init(!o->no_openat2);
    if (!roots_begin(o->workspace)) return complain(o->workspace);
    for (size_t i = 0; i < o->roots; i++)
        if (!roots_add(o->root[i])) return complain(o->root[i]);
    return 0;
}

static int serve(const struct options *o) {
    if (o->guest && !guest_begin()) return complain("cannot be a guest");
    if (!process_init()) return complain("cannot prepare");
    if (!loop_open() || !auth_init() || !process_watch_signals()) return complain("cannot start");
    for (size_t i = 0; i < CHANNEL_SLOTS; i++) channels[i].in.fd = channels[i].out.fd = -1;
    spool_limit(o->spool_total);
    exchange_init(!o->no_renameat2);
    if (open_roots(o) != 0) return 1;
    jobs_init();
    if (o->socket != NULL && !listen_open(o->socket)) return complain(o->socket);
    /* Streams that cannot be waited for (a file, nothing) are as good as at their end. */
    if (o->stdio && !open_stdio() && o->socket == NULL) return complain("standard streams");
    run(o->guest);
    return 0;
}

int main(int argc, char **argv) {
    struct options o;
    if (argc == 2 && strcmp(argv[1], "--version") == 0) return puts("devbench-agent " AGENT_VERSION) < 0;
    if (!parse(&o, argc, argv)) {
        (void)fputs(USAGE, stderr);
        return 2;
    }
    return o.connect ? bridge(o.socket, (pid_t)o.peer) : serve(&o);
}
