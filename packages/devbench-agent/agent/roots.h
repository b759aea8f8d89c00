/* The folders beneath which paths may lie: the workspace, whose paths are relative, and further ones, with whose names
 * absolute paths begin. A further one is opened anew for each request, so it is whatever has its name then. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

/* At the start. False with errno. */
bool roots_begin(const char *workspace); /* NULL: there is none */
bool roots_add(const char *path);        /* absolute, real names only, no slash at the end */

/* The workspace is number 0, there or not; its name is empty. */
size_t roots_count(void);
const char *roots_name(size_t number);
int roots_workspace(void); /* its descriptor */

/* What is left of a path behind its root's name, and the number of that; -1 with EXDEV: it lies beneath none. */
int roots_of(const char *path, const char **rest);
bool roots_same(const char *path, const char *other);

/* The root of a path, to be given back. ENODEV: there is no workspace. ENOMEDIUM: nothing is there; ENOTBLK: no folder;
 * EMULTIHOP: a link is, or is on the way. */
int roots_enter(const char *path, const char **rest);
void roots_leave(int top); /* keeps errno */
/* A descriptor of one's own of the same. */
int roots_open(const char *path, const char **rest);
