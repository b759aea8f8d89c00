#include "keepers.h"

#include "keeper.h"
#include "limits.h"
#include "util.h"

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

pid_t keepers_use(const struct frame *f, const int fds[HANDED_FDS], int *control) {
    struct spare *s;
    if (f->n > HANDED_OVER_MAX) return 0;
    while ((s = latest()) != NULL) {
        pid_t pid = s->pid;
        if (keeper_hand_over(s->control, f->payload, f->n, fds)) {
            *control = s->control;
            s->pid = 0;
            return pid;
        }
        let_go(s); /* killed from inside, and not yet reaped */
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
