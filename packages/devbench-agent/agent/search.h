/* What FIND and GREP share: the walk, their turns, and signs of life. A job's `map` begins with this. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "job.h"
#include "walk.h"

struct search {
    bool running; /* it is one of the SEARCHES_MAX */
    bool invalid;
    uint64_t pulse; /* when the host last heard of it */
    uint64_t look;  /* the most entries that are looked at */
    struct walk walk;
};

/* The map for a search of so many bytes, and the fields that all begin with. NULL: it does not parse, or (with the stage
 * UINT32_MAX) there is no memory. */
void *search_parse(struct job *j, struct rd *r, size_t bytes);
/* Open the asked folder. STEP_WAIT: too many run; STEP_DONE: failed; STEP_MORE: begun, or (with j->fd) it is a file. */
enum step search_begin(struct job *j, bool or_file);
/* Until when this step may go on. */
uint64_t search_until(void);
/* Say that it goes on, where nothing was said for long. */
void search_pulse(struct job *j, enum frame_type type, uint64_t now);
void search_counts(struct job *j);
