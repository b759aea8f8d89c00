/* The keeper: a fork of the agent that starts a command and stays the ancestor of whatever comes of it. Once the
 * kernel has proved that nothing is left of it, the keeper waits for another. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "order.h"

#define HANDED_FDS 4 /* stdin, stdout, stderr, side (-1: none) */

enum report_kind { K_STARTED = 1, K_FAILED, K_ENDED, K_EMPTY };

struct usage {
    uint64_t user_us, system_us, rss_bytes; /* the last: the largest of any one process */
    uint64_t voluntary, involuntary;        /* changes of context */
    uint64_t read_bytes, written_bytes;     /* of block devices */
};

struct report {
    uint32_t kind;
    int32_t pid;
    int32_t status; /* as wait gives it */
    int32_t error;
    uint32_t stage;
    uint32_t empty;  /* no child is left */
    uint32_t leaves; /* it ends, and takes no other command */
    uint64_t at_ns;
    struct usage usage; /* of all that were waited for */
};

/* Serves the first command and then those that come on its control socket, each as the frame of its START with the
 * command's descriptors, until that is closed. */
_Noreturn void keeper_main(struct order *first);
/* For the agent: hand a START over; false when this keeper cannot take it. */
bool keeper_hand_over(int control, const uint8_t *payload, uint32_t n, const int fds[HANDED_FDS]);
