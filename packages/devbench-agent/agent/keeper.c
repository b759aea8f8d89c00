#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"
#include "util.h"

enum { FD_CONTROL = 3, FD_WORKSPACE = 4, FD_FIRST_FREE = 5, FD_ABOVE = 16 };

/* Bring the descriptors to their places, whatever their numbers are now. */
static bool arrange(const struct launch *l) {
    int from[] = {l->input, l->output, l->errors, l->control, l->workspace};
    for (size_t i = 0; i < COUNT(from); i++) {
        if (from[i] < 0) continue;
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_ABOVE);
        if (from[i] < 0) return false;
    }
    for (size_t i = 0; i < COUNT(from); i++) {
        bool mine = i >= FD_CONTROL; /* never the command's */
        if (from[i] < 0) (void)close((int)i);
        else if (dup2(from[i], (int)i) < 0 || (mine && fcntl((int)i, F_SETFD, FD_CLOEXEC) != 0)) return false;
    }
    close_from(FD_FIRST_FREE);
    return true;
}

static void send_report(int fd, const struct report *r) {
    while (send(fd, r, sizeof *r, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

static uint64_t micros(const struct timeval *t) { return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec; }

static void add_usage(struct report *r) {
    struct rusage u;
    if (getrusage(RUSAGE_CHILDREN, &u) != 0) return;
    r->user_us = micros(&u.ru_utime);
    r->system_us = micros(&u.ru_stime);
    r->rss_bytes = (uint64_t)u.ru_maxrss * 1024u;
}

_Noreturn static void give_up(int control, enum launch_stage stage, int error) {
    struct report r = {.kind = K_FAILED, .stage = stage, .error = error, .empty = 1, .at_ns = now_ns()};
    send_report(control, &r);
    _exit(0);
}

static pid_t start(const struct launch *order) {
    struct launch moved = *order;
    moved.workspace = order->workspace < 0 ? -1 : FD_WORKSPACE;
    volatile struct launch_fault fault = {STAGE_NONE, 0};
    /* vfork: this returns when the program runs or could not be run, and costs no copy of the page tables. */
    pid_t pid = vfork();
    if (pid == 0) {
        launch_exec(&moved, &fault);
        _exit(127);
    }
    if (pid < 0) give_up(FD_CONTROL, STAGE_FORK, errno);
    for (int fd = 0; fd < FD_CONTROL; fd++) (void)close(fd);
    (void)close(FD_WORKSPACE);
    if (fault.stage != STAGE_NONE) {
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
        give_up(FD_CONTROL, fault.stage, fault.error);
    }
    return pid;
}

/* Wait for every descendant; an empty answer is the kernel's proof that none is left. */
_Noreturn static void keep(pid_t leader) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, 0);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) break;
        if (pid != leader) continue;
        struct report r = {.kind = K_ENDED, .pid = pid, .status = status, .at_ns = now_ns()};
        add_usage(&r);
        r.empty = waitpid(-1, NULL, WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
        send_report(FD_CONTROL, &r);
        if (r.empty) _exit(0);
    }
    struct report r = {.kind = K_EMPTY, .empty = 1, .at_ns = now_ns()};
    add_usage(&r);
    send_report(FD_CONTROL, &r);
    _exit(0);
}

_Noreturn void keeper_main(const struct launch *l) {
    if (!arrange(l)) give_up(l->control, STAGE_FORK, EMFILE);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) give_up(FD_CONTROL, STAGE_FORK, errno);
    /* Without the agent nobody would ask for what is kept. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "devbench-keeper", 0, 0, 0);
    (void)setpgid(0, 0);
    struct report r = {.kind = K_STARTED, .at_ns = now_ns()};
    pid_t leader = start(l);
    r.pid = leader;
    send_report(FD_CONTROL, &r);
    keep(leader);
}
