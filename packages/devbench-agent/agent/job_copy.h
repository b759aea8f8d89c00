/* COPY: what its two halves share. */
#pragma once
#include "pair.h"
#include "writing.h"

struct copy_level {
    int from, to;
    int64_t position; /* in `from`, where to go on */
    mode_t mode;      /* that `to` gets when all is in it */
};

struct copy {
    struct pair pair;
    uint32_t asked;
    uint64_t entries_max, bytes_max;
    uint64_t entries, bytes, skipped;
    int source;         /* the file that is being copied */
    int target;         /* of a folder's file */
    uint64_t at;        /* in that */
    struct stat before; /* of the source, when it began */
    unsigned tries;
    bool fresh;         /* nothing of it was copied yet */
    bool is_folder;
    unsigned depth;
    char name[NAME_BYTES + 1]; /* of the entry that is being copied */
    struct copy_level levels[TREE_DEPTH];
};

enum step copy_begin_folder(struct job *j, struct copy *c);
enum step copy_folder_step(struct job *j, struct copy *c);
void copy_close_folders(struct copy *c);
enum step copy_over_limit(struct job *j, const char *what); /* "bytes", "entries" or "depth" */
