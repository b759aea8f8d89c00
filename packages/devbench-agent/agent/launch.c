#include "launch.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "limits.h"

static void failed(volatile struct launch_fault *fault, enum launch_stage stage, int error) {
    fault->stage = stage;
    fault->error = error;
}

static int change_directory(const struct launch *l) {
    if (l->cwd[0] == 0) return 0;
    if (l->cwd[0] != '/') {
        if (l->workspace < 0) {
            errno = ENOENT;
            return -1;
        }
        if (fchdir(l->workspace) != 0) return -1;
    }
    return chdir(l->cwd);
}

static rlim_t at_most(uint64_t wanted, rlim_t hard) { return wanted < hard ? (rlim_t)wanted : hard; }

static int set_limits(const struct launch *l) {
    struct rlimit files = l->nofile_before;
    if (l->nofile != 0) files.rlim_cur = files.rlim_max = at_most(l->nofile, files.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &files) != 0) return -1;
    if (l->core != UINT64_MAX) {
        struct rlimit core;
        if (getrlimit(RLIMIT_CORE, &core) != 0) return -1;
        core.rlim_cur = core.rlim_max = at_most(l->core, core.rlim_max);
        if (setrlimit(RLIMIT_CORE, &core) != 0) return -1;
    }
    if (l->nice != 0 && setpriority(PRIO_PROCESS, 0, l->nice) != 0) return -1;
    return 0;
}

/* Like execvp, without its shell for files that the kernel does not know. Returns the error that says most. */
static int search(const struct launch *l) {
    static char candidate[PATH_MAX];
    const char *name = l->argv[0];
    size_t name_bytes = strlen(name);
    int answer = ENOENT;
    if (strchr(name, '/') != NULL) {
        (void)execve(name, l->argv, l->envp);
        return errno;
    }
    if (name_bytes > NAME_BYTES) return ENAMETOOLONG;
    for (const char *at = l->path;; at++) {
        const char *end = strchr(at, ':');
        size_t n = end != NULL ? (size_t)(end - at) : strlen(at);
        if (n + name_bytes + 2 <= sizeof candidate) {
            memcpy(candidate, at, n);
            if (n > 0) candidate[n++] = '/';
            memcpy(candidate + n, name, name_bytes + 1);
            (void)execve(candidate, l->argv, l->envp);
            if (errno == EACCES) answer = EACCES;
            else if (errno != ENOENT && errno != ENOTDIR) return errno;
        }
        if (end == NULL) return answer;
        at = end;
    }
}

void launch_exec(const struct launch *l, volatile struct launch_fault *fault) {
    sigset_t none;
    (void)setsid(); /* cannot fail: a fresh fork leads no group */
    if (l->terminal && ioctl(0, TIOCSCTTY, 0) != 0) {
        failed(fault, STAGE_TERMINAL, errno);
        return;
    }
    if (set_limits(l) != 0) {
        failed(fault, STAGE_LIMITS, errno);
        return;
    }
    if (change_directory(l) != 0) {
        failed(fault, STAGE_DIRECTORY, errno);
        return;
    }
    /* What has that number now is the keeper's own, and this is a copy of its table. */
    if (l->side >= 0 && dup2(l->side, LAUNCH_SIDE) < 0) {
        failed(fault, STAGE_LIMITS, errno);
        return;
    }
    (void)sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) != 0) {
        failed(fault, STAGE_LIMITS, errno);
        return;
    }
    failed(fault, STAGE_EXEC, search(l));
}
