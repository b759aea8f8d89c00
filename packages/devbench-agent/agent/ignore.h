/* The rules of .gitignore files, of one folder after the other from the outermost on. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "glob.h"
#include "limits.h"

#define IGNORE_LEVELS (2u * WALK_DEPTH)

struct ignores {
    uint32_t levels, rules, text, left_out; /* left_out: files that were too large, or for which there was no room */
    struct {
        uint32_t rules, text; /* how much there was before it */
        uint32_t base;        /* where the paths that its rules are for begin, in the whole path */
    } level[IGNORE_LEVELS];
    struct glob rule[IGNORE_RULES];
    char bytes[IGNORE_TEXT];
};

/* Read the file of a folder, if there is one. Each push has its pop. */
void ignore_push(struct ignores *g, int folder, size_t base);
void ignore_pop(struct ignores *g);
/* The last rule that matches decides, those of the innermost folder first. */
bool ignore_says(const struct ignores *g, const char *path, const char *name, bool is_dir);
