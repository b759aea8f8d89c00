#include "loop.h"

#include <errno.h>
#include <limits.h>
#include <stddef.h>
#include <sys/epoll.h>

#include "util.h"

#define BATCH 64

static int epoll_fd = -1;

bool loop_open(void) {
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    return epoll_fd >= 0;
}

bool watch_want(struct watch *w, uint32_t events) {
    if (w->fd < 0 || w->events == events) return w->fd >= 0;
    note_fd(w->fd);
    struct epoll_event event = {.events = events, .data.ptr = w};
    int op = w->events == 0 ? EPOLL_CTL_ADD : events == 0 ? EPOLL_CTL_DEL : EPOLL_CTL_MOD;
    if (epoll_ctl(epoll_fd, op, w->fd, &event) != 0) return false;
    w->events = events;
    return true;
}

void watch_close(struct watch *w) {
    /* Explicitly removed: a copy of the descriptor in a process that is being started would keep it alive. */
    if (w->fd >= 0 && w->events != 0) (void)watch_want(w, 0);
    w->fd = close_fd(w->fd);
    w->events = 0;
}

static int timeout_ms(uint64_t until) {
    if (until == NEVER) return -1;
    uint64_t now = now_ns();
    if (until <= now) return 0;
    uint64_t ms = (until - now + NS_PER_MS - 1) / NS_PER_MS;
    return ms > INT_MAX ? INT_MAX : (int)ms;
}

void loop_once(uint64_t until) {
    struct epoll_event events[BATCH];
    int n = epoll_wait(epoll_fd, events, BATCH, timeout_ms(until));
    for (int i = 0; i < n; i++) {
        struct watch *w = events[i].data.ptr;
        if (w->fd >= 0 && w->ready != NULL) w->ready(w, events[i].events);
    }
}
