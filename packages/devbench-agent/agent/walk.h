/* A walk over a tree: depth first, the names of each folder in byte order, a folder before what is in it. By descriptors
 * only; links are told and not followed. The memory of a walk is bounded: of a folder with more names than there is room
 * for the smallest are taken, and it is read again for those after them. So a walk that begins after a path gives what
 * comes after it, nothing twice, and leaves nothing out that stood there the whole time. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "glob.h"
#include "ignore.h"
#include "limits.h"
#include "util.h"

enum walk_got { WALK_MORE, WALK_ENTRY, WALK_END, WALK_FAILED }; /* FAILED: errno */
enum walk_flag { WALK_SKIP_HIDDEN = 1, WALK_GITIGNORE = 2 };

struct walk_item {
    uint64_t key; /* the first bytes of the name */
    uint32_t at;
    uint8_t type;
};

struct walk_level {
    int fd;
    bool gathering, more; /* more: names above `bound` were left for another reading */
    uint32_t names, items, next, end; /* where its own begin in both stacks; the next item and the end of them */
    uint32_t item_room, name_room;
    uint16_t path_n;
    char last[NAME_BYTES + 1];
    char bound[NAME_BYTES + 1];
};

struct walk {
    uint32_t flags, depth;
    uint32_t globs, includes; /* the includes come first */
    struct glob glob[GLOBS_MAX];
    char glob_text[GLOBS_TEXT];
    uint64_t looked;
    uint32_t unreadable, deep;
    bool enter;
    bool at_leaf; /* the walk begins after a path that is no folder, but may be a file: `name` in walk_folder */
    uint32_t levels, rel; /* rel: where the path relative to the asked folder begins */
    const char *name; /* of the entry, within `path` */
    uint8_t type;     /* DT_… */
    struct walk_level level[WALK_DEPTH];
    uint32_t items_top, names_top;
    char path[2 * PATH_BYTES + 2];
    char after[PATH_BYTES + 1];
    struct walk_item item[WALK_ITEMS];
    char bytes[WALK_NAMES];
    struct ignores ignores;
};

/* The fields that every search begins with, behind its path. False: they do not parse, or are out of their bounds. */
bool walk_parse(struct walk *w, struct rd *r, bool *invalid);
/* Begin in a folder that `fd` is (it is taken over) and that was asked for as `path`, after the path in `after`. */
int walk_begin(struct walk *w, int fd, const char *path);
enum walk_got walk_next(struct walk *w);
static inline const char *walk_path(const struct walk *w) { return w->path + w->rel; }
static inline int walk_folder(const struct walk *w) { return w->level[w->levels - 1].fd; }
bool walk_included(const struct walk *w);
void walk_close(struct walk *w);
