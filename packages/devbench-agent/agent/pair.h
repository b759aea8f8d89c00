/* Requests with two paths. */
#pragma once
#include "job.h"

struct pair { /* at the beginning of the job's map */
    char to[PATH_BYTES + 1];
    char leaf[NAME_BYTES + 1]; /* of MOVE's second path */
    char if_match[ETAG_TEXT], if_match_to[ETAG_TEXT];
};

/* Both paths and the flags; `bytes` is the size of the kind's own map, which begins with a pair. */
bool pair_parse(struct job *j, struct rd *r, size_t bytes);
bool pair_parse_etags(struct job *j, struct rd *r);
/* The condition on the first path's file: 0, ESTALE, EINVAL where it is no file. */
int pair_matches(const struct stat *st, const char *etag);
/* What is said where a condition is on what is no file. */
#define ONLY_FILES "only files have etags"
