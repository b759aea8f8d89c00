/* The classes that POSIX names, as in [[:alpha:]]: pairs of ASCII bytes, the first and the last of each range. */
#pragma once
#include <stddef.h>

const char *posix_class(const char *name, size_t n); /* NULL: no such class */
