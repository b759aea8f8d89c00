/* The folders above a path: made when they are missing, and taken away again when nothing came of what they were for. */
#pragma once
#include <stddef.h>

/* 0 or -1 with errno, and then none are left. `made` stays, or becomes where in the path the first that was missing ends. */
int parents_make(const char *path, size_t *made);
/* Those from there on, as long as nothing is in them. */
void parents_unmake(const char *path, size_t made);
/* The deepest that is there, where only plain names are missing beneath it; else -1. */
int parents_nearest(const char *path);
