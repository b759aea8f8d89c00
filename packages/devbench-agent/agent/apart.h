/* Taking apart a folder that nobody will miss, as far as it goes: what cannot be removed is passed over. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "limits.h"
#include "listing.h"

struct apart {
    int folder; /* the caller's; in it lies what is taken apart, under `name` */
    int top;    /* -1: nothing is under way */
    int lower;  /* a folder in `top`, -1 while `top` itself is gone through */
    bool got_on; /* since the beginning of this pass over `top` */
    uint64_t until;
    struct listing upper_names, lower_names;
    char name[NAME_BYTES + 1];
    char inner[NAME_BYTES + 1]; /* of `lower` */
};

/* Takes `top` over, which is open for reading. */
void apart_begin(struct apart *a, int folder, const char *name, int top);
static inline bool apart_goes_on(const struct apart *a) { return a->top >= 0; }
/* One entry. */
void apart_step(struct apart *a);
