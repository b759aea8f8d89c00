/* Paths beneath their roots: by openat2, or component by component with the same result. All functions set errno;
 * EXDEV says that a path leads outside of its root, also if it is into another one. */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

#include "limits.h"

void resolve_init(bool by_kernel);
bool resolve_has_openat2(void);
/* The folder that holds a path's last component, and that component ("." for a root itself). */
int resolve_parent(const char *path, char leaf[NAME_BYTES + 1]);
/* The same, following links, so that `leaf` is no link. */
int resolve_target(const char *path, char leaf[NAME_BYTES + 1]);
/* Open a directory that already is. */
int resolve_directory(const char *path);
/* Open a regular file for reading; st is its own. ENOTSUP: neither file nor directory. */
int resolve_file(const char *path, struct stat *st);
