/* Patterns of names and paths. In a name: `*` any run, `?` one character, `[...]` one of these (`!` or `^` first: none
 * of these), a backslash quotes. `**` as a whole part of a path: any number of folders, at the end everything beneath.
 * Time is at most the product of both lengths. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct glob {
    uint32_t at; /* in the text that holds it */
    uint16_t n;
    bool by_path;  /* else it is for the name alone */
    bool only_dir; /* it ended with a slash */
    bool negated;  /* of an ignore file */
};

bool glob_name(const char *p, size_t pn, const char *s, size_t sn);
bool glob_path(const char *p, size_t pn, const char *s, size_t sn);
/* Cut the slashes off its ends, which say what it is for. */
void glob_prepare(struct glob *g, const char *text);
/* `path` ends with the name, which begins at `name`. */
bool glob_matches(const struct glob *g, const char *text, const char *path, const char *name, bool is_dir);
