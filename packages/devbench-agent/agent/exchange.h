/* Giving a finished temporary file its name, conditionally and at once. */
#pragma once
#include <stdbool.h>
#include <sys/stat.h>

void exchange_init(bool by_kernel);
bool exchange_is_atomic(void);
/* All return 0 or -1 with errno. EEXIST: somebody was there first. */
int exchange_create(int folder, const char *temp, const char *name);
/* Only while `name` still is `before`; ESTALE: it is not. */
int exchange_conditional(int folder, const char *temp, const char *name, const struct stat *before);
/* As exchange_create from one folder to another; also folders. */
int exchange_move(int folder, const char *from, int to_folder, const char *to);
/* Over the file `to`, only while it still is `before`; ESTALE: it is not. */
int exchange_move_over(int folder, const char *from, int to_folder, const char *to, const struct stat *before);
/* Both names are there and change places; ENOSYS where that cannot be done. */
int exchange_swap(int folder, const char *name, int to_folder, const char *to);
bool exchange_same(const struct stat *a, const struct stat *b);
