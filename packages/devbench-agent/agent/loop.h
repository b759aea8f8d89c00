/* The event loop: level-triggered epoll over watches that live in static slots, so that an event for a slot
 * that was closed or reused in the same round is at most a spurious wake-up. */
#pragma once
#include <stdint.h>
#include <stdbool.h>

struct watch {
    int fd;
    uint32_t events; /* what epoll was last told; 0: not registered */
    void (*ready)(struct watch *w, uint32_t events);
};

bool loop_open(void);
/* Ask for these events (0: none). Returns false when the kernel refuses. */
bool watch_want(struct watch *w, uint32_t events);
void watch_close(struct watch *w);
/* Handle what is ready, waiting until the monotonic time `until` at most. */
void loop_once(uint64_t until);
