#include "keepers.h"

#include <sched.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "keeper.h"
#include "limits.h"
#include "util.h"

#define IOPRIO_WHO_PROCESS 1 /* linux/ioprio.h is not in every C library's headers */

struct spare {
    pid_t pid; /* 0: the slot is free */
    int control;
    uint64_t since;
};

static struct spare spares[KEEPERS_SPARE];

static void let_go(struct spare *s) {
    s->control = close_fd(s->control); /* its end, if it lives */
    s->pid = 0;
}

/* The one that came last: its pages are the warmest, and the others get old. */
static struct spare *latest(void) {
    struct spare *found = NULL;
    for (size_t i = 0; i < KEEPERS_SPARE; i++)
        if (spares[i].pid != 0 && (found == NULL || spares[i].since > found->since)) found = &spares[i];
    return found;
}

/* Whoever has our user may change another process's limits, priority and processors; what one command did to a keeper
 * must not reach the next. So one that is not as we are is not used again. */
static bool is_as_we_are(pid_t pid) {
    cpu_set_t ours, its;
    for (int i = 0; i < RLIM_NLIMITS; i++) {
        struct rlimit a, b;
        if (syscall(SYS_prlimit64, 0, i, NULL, &a) != 0) continue; /* the kernel does not know it */
        if (syscall(SYS_prlimit64, pid, i, NULL, &b) != 0) return false;
        if (a.rlim_cur != b.rlim_cur || a.rlim_max != b.rlim_max) return false;
    }
    if (getpriority(PRIO_PROCESS, (id_t)pid) != getpriority(PRIO_PROCESS, 0)) return false;
    if (sched_getscheduler(pid) != sched_getscheduler(0)) return false;
    if (syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, pid) != syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, 0)) return false;
    if (sched_getaffinity(0, sizeof ours, &ours) != 0) return true; /* more processors than fit: not compared */
    return sched_getaffinity(pid, sizeof its, &its) == 0 && CPU_EQUAL(&ours, &its);
}

pid_t keepers_use(const struct frame *f, const int fds[HANDED_FDS], int *control) {
    struct spare *s;
    if (f->n > HANDED_OVER_MAX) return 0;
    while ((s = latest()) != NULL) {
        pid_t pid = s->pid;
        if (is_as_we_are(pid) && keeper_hand_over(s->control, f->payload, f->n, fds)) {
            *control = s->control;
            s->pid = 0;
            return pid;
        }
        let_go(s); /* tampered with, or killed from inside and not yet reaped */
    }
    return 0;
}

void keepers_rest(pid_t pid, int control) {
    for (size_t i = 0; i < KEEPERS_SPARE; i++) {
        if (spares[i].pid != 0) continue;
        spares[i] = (struct spare){pid, control, now_ns()};
        return;
    }
    (void)close_fd(control);
}

static struct spare *by_pid(pid_t pid) {
    for (size_t i = 0; i < KEEPERS_SPARE; i++)
        if (spares[i].pid == pid) return &spares[i];
    return NULL;
}

void keepers_reaped(pid_t pid) {
    struct spare *s = by_pid(pid);
    if (s != NULL) let_go(s);
}

bool keepers_own(pid_t pid) { return by_pid(pid) != NULL; }
pid_t keepers_at(size_t slot) { return spares[slot].pid; }

uint64_t keepers_run(uint64_t now) {
    uint64_t next = NEVER;
    for (size_t i = 0; i < KEEPERS_SPARE; i++) {
        if (spares[i].pid == 0) continue;
        uint64_t until = spares[i].since + KEEPER_SPARE_SECONDS * NS_PER_S;
        if (until <= now) let_go(&spares[i]);
        else if (until < next) next = until;
    }
    return next;
}
