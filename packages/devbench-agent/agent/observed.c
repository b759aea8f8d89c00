/* The folders of an observer, as a tree whose names can change, and the looking through of them. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "observer.h"
#include "resolve.h"
#include "util.h"

#define FOLDER_NOTICES                                                                                                       \
    (IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO | IN_ONLYDIR | IN_EXCL_UNLINK)
#define ROOT_NOTICES (FOLDER_NOTICES | IN_DELETE_SELF | IN_MOVE_SELF)

static uint32_t *bucket(struct observer *o, int wd) { return &o->buckets[((unsigned)wd * 2654435761u) % BUCKETS]; }

uint32_t node_of(const struct observer *o, int wd) {
    uint32_t n = o->buckets[((unsigned)wd * 2654435761u) % BUCKETS];
    while (n != NO_NODE && o->nodes[n].wd != wd) n = o->nodes[n].next;
    return n;
}

static uint32_t take(struct observer *o) {
    if (o->spare != NO_NODE) {
        uint32_t n = o->spare;
        o->spare = o->nodes[n].next;
        return n;
    }
    return o->high < OBSERVED_FOLDERS_MAX ? o->high++ : NO_NODE;
}

static int watch_folder(struct observer *o, int fd, uint32_t notices) {
    char link[32];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd); /* by descriptor: no path is followed */
    return inotify_add_watch(o->watch.fd, link, notices);
}

static uint32_t put(struct observer *o, int wd, uint32_t parent, const char *name) {
    uint32_t n = take(o);
    if (n == NO_NODE) return n;
    struct node *node = &o->nodes[n];
    *node = (struct node){.wd = wd, .parent = parent, .used = true, .next = *bucket(o, wd)};
    memcpy(node->name, name, strlen(name) + 1);
    *bucket(o, wd) = n;
    return n;
}

bool node_root(struct observer *o, int folder) {
    int wd = watch_folder(o, folder, o->only[0] != 0 ? FOLDER_NOTICES : ROOT_NOTICES);
    if (wd < 0) return false;
    uint32_t n = put(o, wd, NO_NODE, "");
    if (o->only[0] == 0 && (o->flags & OBSERVE_RECURSIVE)) node_todo(o, n, false);
    else o->baseline = true;
    return true;
}

void node_todo(struct observer *o, uint32_t n, bool tell) {
    struct node *node = &o->nodes[n];
    node->tell |= tell;
    if (node->waits) return;
    node->waits = true;
    node->todo = NO_NODE;
    if (o->todo_first == NO_NODE) o->todo_first = n;
    else o->nodes[o->todo_last].todo = n;
    o->todo_last = n;
}

bool node_add(struct observer *o, int at, uint32_t parent, const char *name, enum how how) {
    if (!(o->flags & OBSERVE_RECURSIVE)) return true;
    int fd = openat(at, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) return false; /* it has gone again, or is no folder any more: another notice tells */
    int wd = watch_folder(o, fd, FOLDER_NOTICES);
    o->partial |= wd < 0 && errno == ENOSPC;
    (void)close_fd(fd);
    if (wd < 0) return false;
    uint32_t n = node_of(o, wd);
    bool known = n != NO_NODE;
    if (!known) n = put(o, wd, parent, name);
    if (n == NO_NODE) {
        o->partial = true;
        (void)inotify_rm_watch(o->watch.fd, wd);
        return true;
    }
    /* Known already: it was found twice, or has come back under another name. */
    o->nodes[n].parent = n == 0 ? NO_NODE : parent;
    if (n != 0) memcpy(o->nodes[n].name, name, strlen(name) + 1);
    if (!known || how != IF_NEW) node_todo(o, n, how != QUIETLY);
    return true;
}

int node_open(struct observer *o, uint32_t n) {
    char relative[PATH_BYTES + 1], path[PATH_BYTES + 1];
    struct node *node = &o->nodes[n];
    bool named = node_path(o, node->parent, node->name, relative) && observed_path(o, relative, path);
    int fd = named ? resolve_directory(path) : -1;
    int wd = fd < 0 ? -1 : watch_folder(o, fd, FOLDER_NOTICES | IN_MASK_ADD);
    node->missed = wd != node->wd;
    if (!node->missed) return fd;
    if (wd >= 0 && node_of(o, wd) == NO_NODE) (void)inotify_rm_watch(o->watch.fd, wd); /* another took its name */
    return close_fd(fd);
}

void nodes_missed(struct observer *o) {
    for (uint32_t n = 0; n < o->high; n++)
        if (o->nodes[n].used && o->nodes[n].missed) node_todo(o, n, false);
}

uint32_t node_child(const struct observer *o, uint32_t parent, const char *name) {
    for (uint32_t n = 0; n < o->high; n++)
        if (o->nodes[n].used && o->nodes[n].parent == parent && strcmp(o->nodes[n].name, name) == 0) return n;
    return NO_NODE;
}

void node_forget(struct observer *o, uint32_t n) {
    struct node *node = &o->nodes[n];
    uint32_t *at = bucket(o, node->wd);
    while (*at != NO_NODE && *at != n) at = &o->nodes[*at].next;
    if (*at == n) *at = node->next;
    node->used = false;
    node->wd = -1;
    if (o->scanned == n) o->scan_fd = close_fd(o->scan_fd);
    if (node->waits) return; /* freed when its turn comes */
    node->next = o->spare;
    o->spare = n;
}

static bool is_beneath(const struct observer *o, uint32_t n, uint32_t top) {
    for (unsigned depth = 0; n != NO_NODE && depth < PATH_BYTES; depth++, n = o->nodes[n].parent)
        if (n == top) return true;
    return false;
}

void node_drop_tree(struct observer *o, uint32_t top) {
    /* From the last: a folder is found after the one that holds it, but may have come into it later, so twice. */
    for (uint32_t n = 0; n < o->high; n++)
        if (o->nodes[n].used && n != top && is_beneath(o, n, top)) o->nodes[n].parent = top;
    for (uint32_t n = 0; n < o->high; n++) {
        if (!o->nodes[n].used || (n != top && o->nodes[n].parent != top)) continue;
        (void)inotify_rm_watch(o->watch.fd, o->nodes[n].wd);
        if (n != top) node_forget(o, n);
    }
    node_forget(o, top);
}

bool node_path(const struct observer *o, uint32_t n, const char *name, char path[PATH_BYTES + 1]) {
    size_t at = PATH_BYTES;
    path[at] = 0;
    for (const char *part = name; part != NULL;) {
        size_t size = strlen(part);
        bool slash = at != PATH_BYTES && size > 0;
        if (size + slash > at) return false;
        if (slash) path[--at] = '/';
        at -= size;
        memcpy(path + at, part, size);
        part = n == NO_NODE ? NULL : o->nodes[n].name;
        n = n == NO_NODE ? NO_NODE : o->nodes[n].parent;
    }
    memmove(path, path + at, PATH_BYTES - at + 1);
    return true;
}

bool observed_path(const struct observer *o, const char *relative, char path[PATH_BYTES + 1]) {
    int n = snprintf(path, PATH_BYTES + 1, "%s%s%s", o->path, o->path[0] != 0 && relative[0] != 0 ? "/" : "", relative);
    return n >= 0 && (size_t)n <= PATH_BYTES;
}

static void open_next(struct observer *o) {
    uint32_t n = o->todo_first;
    struct node *node = &o->nodes[n];
    o->todo_first = node->todo;
    node->waits = false;
    if (!node->used) {
        node->next = o->spare;
        o->spare = n;
        return;
    }
    o->scan_fd = node_open(o, n); /* gone meanwhile: its own notices tell */
    o->scanned = n;
    note_fd(o->scan_fd);
}

static void found(struct observer *o, const char *name, uint8_t type, uint64_t now) {
    char path[PATH_BYTES + 1];
    struct stat st;
    if (strlen(name) > NAME_BYTES || strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0) return;
    bool folder = type == DT_DIR;
    if (type == DT_UNKNOWN) folder = fstatat(o->scan_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode);
    bool tell = o->nodes[o->scanned].tell, done = o->nodes[o->scanned].done;
    if (tell && node_path(o, o->scanned, name, path)) changes_add(&o->changes, CHANGE_CREATED, folder, path, "", now);
    if (folder) (void)node_add(o, o->scan_fd, o->scanned, name, tell ? TELLING : done ? IF_NEW : QUIETLY);
}

bool scan_step(struct observer *o, uint64_t now) {
    struct listing l;
    const char *name;
    if (o->scan_fd < 0) {
        if (o->todo_first == NO_NODE) {
            o->baseline = true;
            return false;
        }
        open_next(o);
        return true;
    }
    bool alive = o->nodes[o->scanned].used && listing_read(&l, o->scan_fd) && l.n > 0;
    while (alive && (name = listing_next(&l)) != NULL) found(o, name, l.type, now);
    if (!alive) {
        o->scan_fd = close_fd(o->scan_fd);
        o->nodes[o->scanned].tell = false;
        o->nodes[o->scanned].done = true;
    }
    return true;
}
