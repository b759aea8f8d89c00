#include "process.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "command.h"
#include "job.h"
#include "keepers.h"
#include "limits.h"
#include "loop.h"
#include "tree.h"

static struct rlimit nofile_before;
static int oom_fd = -1;
static char oom_own[24];
static char oom_raised[24];
static bool stopping;
static bool counts_blocks;
static struct watch signals = {.fd = -1};

struct rlimit process_nofile_before(void) { return nofile_before; }
bool process_stopping(void) { return stopping; }
bool process_counts_blocks(void) { return counts_blocks; }

static void oom_write(const char *value) {
    if (oom_fd >= 0 && pwrite(oom_fd, value, strlen(value), 0) < 0) {
        /* A kernel that refuses leaves all scores equal, which is no worse than without an agent. */
        (void)close(oom_fd);
        oom_fd = -1;
    }
}

void process_oom_raise(void) { oom_write(oom_raised); }
void process_oom_restore(void) { oom_write(oom_own); }

/* The file belongs to root while the process is not dumpable, so it is opened first: nothing else runs yet. */
static void oom_open(void) {
    (void)prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
    oom_fd = open("/proc/self/oom_score_adj", O_RDWR | O_CLOEXEC);
    ssize_t n = oom_fd >= 0 ? read(oom_fd, oom_own, sizeof oom_own - 1) : -1;
    long own = n > 0 ? strtol(oom_own, NULL, 10) : 0;
    long raised = own + OOM_SCORE_RAISE > 1000 ? 1000 : own + OOM_SCORE_RAISE;
    (void)snprintf(oom_own, sizeof oom_own, "%ld", own);
    (void)snprintf(oom_raised, sizeof oom_raised, "%ld", raised);
}

static bool keep_standard_descriptors(void) {
    for (;;) {
        int fd = open("/dev/null", O_RDWR);
        if (fd < 0) fd = open("/", O_RDONLY | O_DIRECTORY); /* any descriptor will do to hold the number */
        if (fd < 0) return false;
        if (fd > 2) return close(fd) == 0;
    }
}

static void default_signals(void) {
    sigset_t all;
    /* Some numbers belong to the C library or cannot be changed: their errors mean nothing. */
    for (int i = 1; i <= 64; i++) (void)signal(i, SIG_DFL);
    (void)sigfillset(&all);
    (void)sigprocmask(SIG_SETMASK, &all, NULL);
}

bool process_init(void) {
    if (!keep_standard_descriptors()) return false;
    oom_open();
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return false;
    /* Where the agent is not PID 1 (tests), what a killed keeper leaves still comes to it. Emulators that do not know
     * the call refuse it to keepers too, which then refuse to start anything. */
    (void)prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    /* The file is there when the kernel keeps these counts; without them getrusage says 0. */
    counts_blocks = access("/proc/self/io", F_OK) == 0;
    default_signals();
    if (getrlimit(RLIMIT_NOFILE, &nofile_before) != 0) return false;
    struct rlimit raised = {nofile_before.rlim_max, nofile_before.rlim_max};
    (void)setrlimit(RLIMIT_NOFILE, &raised); /* fewer descriptors only mean fewer commands */
    return tree_init();
}

static void reap(void) {
    for (;;) {
        int status;
        pid_t pid = waitpid(-1, &status, WNOHANG | WUNTRACED);
        if (pid < 0 && errno == EINTR) continue;
        if (pid <= 0) return;
        if (WIFSTOPPED(status)) {
            /* A keeper that hostile code stopped would hide how its command ended. */
            if (command_by_keeper(pid) != NULL || keepers_own(pid) || jobs_own_helper(pid))
                (void)kill(pid, SIGCONT);
            continue;
        }
        commands_reaped(pid);
        jobs_reaped(pid, status);
    }
}

/* Only kill() from outside counts: sigqueue() can lie about its sender, and who is inside is not obeyed. */
static bool from_outside(const struct signalfd_siginfo *s) {
    if (s->ssi_code != SI_USER && s->ssi_code != SI_KERNEL) return false;
    return s->ssi_pid == 0 || !tree_is_inside((pid_t)s->ssi_pid);
}

static void on_signal(struct watch *w, uint32_t events) {
    struct signalfd_siginfo s;
    (void)events;
    while (read(w->fd, &s, sizeof s) == (ssize_t)sizeof s) {
        if (s.ssi_signo == SIGCHLD) reap();
        if ((s.ssi_signo == SIGTERM || s.ssi_signo == SIGINT) && from_outside(&s)) stopping = true;
    }
}

bool process_watch_signals(void) {
    sigset_t set;
    (void)sigemptyset(&set);
    (void)sigaddset(&set, SIGCHLD);
    (void)sigaddset(&set, SIGTERM);
    (void)sigaddset(&set, SIGINT);
    signals = (struct watch){signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC), 0, on_signal};
    if (signals.fd < 0) return false;
    reap(); /* whoever ended before anybody listened */
    return watch_want(&signals, EPOLLIN);
}
