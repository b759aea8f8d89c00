#include "walk.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "listing.h"
#include "resolve.h"
#include "roots.h"

#define FOLDER (O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC)
#define LEAST_BYTES (WALK_LEAST * (NAME_BYTES + 1))
#define IGNORED_FOLDER ".git"

_Static_assert(WALK_ITEMS >= WALK_DEPTH * WALK_LEAST + WALK_SORT, "a folder gets its room at any depth");
_Static_assert(WALK_NAMES >= WALK_DEPTH * LEAST_BYTES, "a folder gets its room at any depth");

/* ---- what was asked ---- */

static bool take_globs(struct walk *w, struct rd *r, uint32_t *text, bool *invalid) {
    uint32_t n = rd_u16(r);
    for (uint32_t i = 0; i < n && !r->bad; i++) {
        struct str s = rd_str(r, PAYLOAD_MAX);
        if (r->bad) return false;
        if (w->globs == GLOBS_MAX || s.n == 0 || s.n > GLOB_BYTES || s.n > GLOBS_TEXT - *text) {
            *invalid = true;
            continue;
        }
        struct glob *g = &w->glob[w->globs++];
        *g = (struct glob){.at = *text, .n = (uint16_t)s.n};
        memcpy(w->glob_text + *text, s.p, s.n);
        *text += s.n;
        glob_prepare(g, w->glob_text);
    }
    return !r->bad;
}

static bool names_only(const char *path) {
    while (*path != 0) {
        size_t n = strcspn(path, "/");
        if (n == 0 || n > NAME_BYTES || (n <= 2 && strncmp(path, "..", n) == 0)) return false;
        path += n;
        if (*path == '/' && *++path == 0) return false;
    }
    return true;
}

bool walk_parse(struct walk *w, struct rd *r, bool *invalid) {
    uint32_t text = 0;
    struct str after = rd_str(r, PAYLOAD_MAX);
    if (r->bad) return false;
    if (after.n > PATH_BYTES) *invalid = true;
    else memcpy(w->after, after.p, after.n);
    w->flags = rd_u32(r);
    w->depth = rd_u32(r);
    if (!take_globs(w, r, &text, invalid)) return false;
    w->includes = w->globs;
    if (!take_globs(w, r, &text, invalid)) return false;
    if (!names_only(w->after)) *invalid = true;
    if (w->depth == 0 || w->depth > WALK_DEPTH) w->depth = UINT32_MAX;
    return true;
}

bool walk_included(const struct walk *w) {
    for (uint32_t i = 0; i < w->includes; i++)
        if (glob_matches(&w->glob[i], w->glob_text, walk_path(w), w->name, w->type == DT_DIR)) return true;
    return w->includes == 0;
}

static bool left_out(const struct walk *w) {
    bool is_dir = w->type == DT_DIR;
    if (strncmp(w->name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) return true;
    if ((w->flags & WALK_SKIP_HIDDEN) && w->name[0] == '.') return true;
    for (uint32_t i = w->includes; i < w->globs; i++)
        if (glob_matches(&w->glob[i], w->glob_text, walk_path(w), w->name, is_dir)) return true;
    if (!(w->flags & WALK_GITIGNORE)) return false;
    return strcmp(w->name, IGNORED_FOLDER) == 0 || ignore_says(&w->ignores, w->path, w->name, is_dir);
}

/* ---- the names of a folder ---- */

static uint64_t key_of(const char *name) {
    uint64_t key = 0;
    for (unsigned i = 0; i < 8; i++) {
        key = key << 8 | (uint8_t)*name;
        if (*name != 0) name++;
    }
    return key;
}

static bool above(const struct walk *w, const struct walk_item *a, const struct walk_item *b, bool by_name) {
    if (a->key != b->key || !by_name) return a->key > b->key;
    return strcmp(w->bytes + a->at, w->bytes + b->at) > 0;
}

/* Never more than n log n steps, as a step of a job must stay short. */
static void sort(struct walk *w, struct walk_item *items, size_t n, bool by_name) {
    static struct walk_item scratch[WALK_SORT];
    struct walk_item *from = items, *to = scratch;
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t begin = 0; begin < n; begin += 2 * width) {
            size_t a = begin, middle = begin + width < n ? begin + width : n;
            size_t b = middle, end = begin + 2 * width < n ? begin + 2 * width : n;
            for (size_t i = begin; i < end; i++)
                to[i] = a < middle && (b == end || !above(w, &from[a], &from[b], by_name)) ? from[a++] : from[b++];
        }
        struct walk_item *t = from;
        from = to;
        to = t;
    }
    if (from != items) memcpy(items, from, n * sizeof *items);
}

static void begin_gathering(struct walk *w, struct walk_level *l) {
    uint32_t later = WALK_DEPTH - w->levels;
    uint32_t items = WALK_ITEMS - l->items - later * WALK_LEAST;
    uint32_t names = WALK_NAMES - l->names - later * LEAST_BYTES;
    l->item_room = items / 2 > WALK_LEAST ? items / 2 : WALK_LEAST;
    if (l->item_room > WALK_SORT) l->item_room = WALK_SORT;
    l->name_room = names / 2 > LEAST_BYTES ? names / 2 : LEAST_BYTES;
    l->next = l->end = l->items;
    w->items_top = l->items;
    w->names_top = l->names;
    l->gathering = true;
    l->more = false;
    l->bound[0] = 0;
}

/* Of the names that are held only the smaller half stays. */
static void halve(struct walk *w, struct walk_level *l) {
    struct walk_item *items = w->item + l->items;
    size_t n = (l->end - l->items + 1) / 2;
    sort(w, items, l->end - l->items, true);
    memcpy(l->bound, w->bytes + items[n - 1].at, strlen(w->bytes + items[n - 1].at) + 1);
    for (size_t i = 0; i < n; i++) items[i].key = items[i].at;
    sort(w, items, n, false);
    w->names_top = l->names;
    for (size_t i = 0; i < n; i++) {
        const char *name = w->bytes + items[i].at;
        size_t bytes = strlen(name) + 1;
        items[i].key = key_of(name);
        items[i].at = w->names_top;
        memmove(w->bytes + w->names_top, name, bytes);
        w->names_top += (uint32_t)bytes;
    }
    l->end = l->items + (uint32_t)n;
    l->more = true;
}

static void add(struct walk *w, struct walk_level *l, const char *name, uint8_t type) {
    size_t n = strlen(name) + 1;
    if (n > NAME_BYTES + 1 || strcmp(name, l->last) <= 0) return;
    if (l->more && strcmp(name, l->bound) >= 0) return;
    while (l->end - l->items == l->item_room || w->names_top - l->names + n > l->name_room) {
        halve(w, l);
        if (strcmp(name, l->bound) >= 0) return;
    }
    memcpy(w->bytes + w->names_top, name, n);
    w->item[l->end++] = (struct walk_item){.key = key_of(name), .at = w->names_top, .type = type};
    w->names_top += (uint32_t)n;
}

static enum walk_got gather(struct walk *w, struct walk_level *l) {
    struct listing batch;
    const char *name;
    if (!listing_read(&batch, l->fd)) {
        w->unreadable++;
        batch.n = 0; /* what was read of it is still given */
    }
    while ((name = listing_next(&batch)) != NULL) add(w, l, name, batch.type);
    if (batch.n > 0) return WALK_MORE;
    sort(w, w->item + l->items, l->end - l->items, true);
    l->gathering = false;
    w->items_top = l->end;
    return WALK_MORE;
}

/* ---- folders ---- */

static int push(struct walk *w, int fd, size_t path_n) {
    if (fd < 0) return -1;
    note_fd(fd);
    struct walk_level *l = &w->level[w->levels++];
    l->fd = fd;
    l->names = w->names_top;
    l->items = w->items_top;
    l->path_n = (uint16_t)path_n;
    l->last[0] = 0;
    begin_gathering(w, l);
    if (w->flags & WALK_GITIGNORE) ignore_push(&w->ignores, fd, path_n);
    return 0;
}

static enum walk_got pop(struct walk *w) {
    struct walk_level *l = &w->level[--w->levels];
    l->fd = close_fd(l->fd);
    w->names_top = l->names;
    w->items_top = l->items;
    if (w->flags & WALK_GITIGNORE) ignore_pop(&w->ignores);
    return WALK_MORE;
}

static bool set_path(struct walk *w, const struct walk_level *l, const char *name, size_t n) {
    if (l->path_n + n - w->rel > PATH_BYTES || l->path_n + n + 2 > sizeof w->path) return false;
    memcpy(w->path + l->path_n, name, n);
    w->path[l->path_n + n] = 0;
    w->name = w->path + l->path_n;
    return true;
}

static void enter(struct walk *w) {
    size_t n = strlen(w->path);
    int fd = openat(walk_folder(w), w->name, FOLDER);
    /* What vanished, or is no folder any more, is no fault. */
    if (fd < 0 && errno != ENOENT && errno != ENOTDIR && errno != ELOOP) w->unreadable++;
    if (fd < 0) return;
    w->path[n] = '/';
    w->path[n + 1] = 0;
    (void)push(w, fd, n + 1);
}

static uint8_t type_at(const struct walk *w) {
    struct stat st;
    if (fstatat(walk_folder(w), w->name, &st, AT_SYMLINK_NOFOLLOW) != 0) return DT_UNKNOWN;
    return S_ISREG(st.st_mode) ? DT_REG : S_ISDIR(st.st_mode) ? DT_DIR : S_ISLNK(st.st_mode) ? DT_LNK : DT_FIFO;
}

/* The rules of the first n bytes of a path, a folder whose names begin at `begin`. */
static void rules_of(struct walk *w, const char *path, size_t n, size_t begin) {
    char above[PATH_BYTES + 1];
    memcpy(above, path, n);
    above[n] = 0;
    int fd = resolve_directory(above);
    if (fd >= 0) ignore_push(&w->ignores, fd, begin);
    (void)close_fd(fd);
}

/* The rules of the folders above the asked one, up to its root. */
static void rules_above(struct walk *w, const char *path) {
    const char *rest;
    int root = roots_of(path, &rest);
    if (root < 0 || rest[0] == 0) return;
    size_t begin = (size_t)(rest - path);
    rules_of(w, path, strlen(roots_name((size_t)root)), begin);
    for (size_t i = begin + 1; path[i] != 0; i++)
        if (path[i] == '/' && path[i + 1] != 0) rules_of(w, path, i, i + 1);
}

int walk_begin(struct walk *w, int fd, const char *path) {
    size_t n = strcmp(path, ".") == 0 ? 0 : strlen(path);
    memcpy(w->path, path, n);
    if (n > 0 && path[n - 1] != '/') w->path[n++] = '/';
    w->path[n] = 0;
    w->rel = (uint32_t)n;
    if (w->flags & WALK_GITIGNORE) rules_above(w, n == 0 ? "" : path);
    if (push(w, fd, n) != 0) return -1;
    for (const char *p = w->after; *p != 0;) {
        struct walk_level *l = &w->level[w->levels - 1];
        size_t part = strcspn(p, "/");
        memcpy(l->last, p, part);
        l->last[part] = 0;
        if (!set_path(w, l, p, part)) break;
        w->type = p[part] == 0 ? type_at(w) : DT_DIR;
        if (left_out(w)) break;
        w->at_leaf = w->type == DT_REG;
        if (w->at_leaf || w->levels >= w->depth || w->levels == WALK_DEPTH) break;
        uint32_t before = w->levels;
        enter(w);
        if (w->levels == before) break;
        p += part + (p[part] == '/');
    }
    return 0;
}

static enum walk_got give(struct walk *w, struct walk_level *l) {
    const struct walk_item *item = &w->item[l->next++];
    const char *name = w->bytes + item->at;
    size_t n = strlen(name);
    memcpy(l->last, name, n + 1);
    w->looked++;
    if (!set_path(w, l, name, n)) {
        w->deep++;
        return WALK_MORE;
    }
    w->type = item->type == DT_UNKNOWN ? type_at(w) : item->type;
    if (w->type == DT_UNKNOWN || left_out(w)) return WALK_MORE;
    if (w->type == DT_DIR && w->levels < w->depth) {
        w->enter = w->levels < WALK_DEPTH;
        w->deep += !w->enter;
    }
    return WALK_ENTRY;
}

enum walk_got walk_next(struct walk *w) {
    if (w->enter) {
        w->enter = false;
        enter(w);
        return WALK_MORE;
    }
    if (w->levels == 0) return WALK_END;
    struct walk_level *l = &w->level[w->levels - 1];
    if (l->gathering) return gather(w, l);
    if (l->next < l->end) return give(w, l);
    if (!l->more) return pop(w);
    begin_gathering(w, l);
    if (lseek(l->fd, 0, SEEK_SET) == 0) return WALK_MORE;
    w->unreadable++;
    return pop(w);
}

void walk_close(struct walk *w) {
    while (w->levels > 0) (void)pop(w);
}
