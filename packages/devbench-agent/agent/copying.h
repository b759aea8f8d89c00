/* Content and attributes of one file to another. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>

/* Copies at most n bytes from an offset to the end of `to`: how many, 0 at the end of the source, -1 with errno. */
ssize_t copy_some(int from, uint64_t at, int to, uint64_t n);
/* Makes what `to` holds there the same as what `from` holds now, and says whether it was not: how much of it, or -1. */
ssize_t copy_again(int from, uint64_t at, int to, uint64_t n, bool *differs);
/* Owner and group as far as the agent may set them; whether both are now as in `of`. */
bool copy_owner(int to, const struct stat *of);
/* Extended attributes of users and the access list of a file, which need not be open for reading; those that may not be read, or that the
 * file system does not take, are left out. -1 with errno where there is no space for them. */
int copy_attributes(int from, int to);
int copy_attributes_of(int folder, const char *leaf, int to); /* of what lies under a name */
