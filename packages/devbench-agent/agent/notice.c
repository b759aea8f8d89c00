/* What the kernel tells of observed folders, in devbench's words. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

#include "observer.h"
#include "resolve.h"
#include "util.h"

#define NOTICES_BYTES 16384

static bool is_temp(const char *name) { return strncmp(name, TEMP_PREFIX, sizeof TEMP_PREFIX - 1) == 0; }

/* Whether a name is one that is told of. */
static bool passes(const struct observer *o, const char *name) {
    return !is_temp(name) && (o->only[0] == 0 || strcmp(o->only, name) == 0);
}

static bool look(const struct observer *o, uint32_t node, const char *name, struct stat *st) {
    char relative[PATH_BYTES + 1], path[PATH_BYTES + 1], leaf[NAME_BYTES + 1];
    if (!node_path(o, node, o->only[0] != 0 ? "" : name, relative) || !observed_path(o, relative, path)) return false;
    int folder = resolve_parent(path, leaf);
    if (folder < 0) return false;
    bool there = fstatat(folder, leaf, st, AT_SYMLINK_NOFOLLOW) == 0;
    (void)close_fd(folder);
    return there;
}

static void tell(struct observer *o, enum change_kind kind, bool folder, uint32_t node, const char *name, uint64_t now) {
    char path[PATH_BYTES + 1];
    if (node_path(o, node, o->only[0] != 0 ? "" : name, path)) changes_add(&o->changes, kind, folder, path, "", now);
}

/* False: there is no such folder. */
static bool begin_folder(struct observer *o, uint32_t parent, const char *name, enum how how) {
    int at = node_open(o, parent);
    if (at < 0) return false;
    bool there = node_add(o, at, parent, name, how);
    (void)close_fd(at);
    return there;
}

static void vanished(struct observer *o, bool folder, uint32_t node, const char *name, uint64_t now) {
    uint32_t child = folder ? node_child(o, node, name) : NO_NODE;
    tell(o, CHANGE_DELETED, folder, node, name, now);
    if (child != NO_NODE && child != 0) node_drop_tree(o, child);
}

/* Something came under the name from where nobody looks: as new, or in place of what was there. */
static void arrived(struct observer *o, bool folder, uint32_t node, const char *name, bool from_temp, uint64_t now) {
    struct stat st;
    enum origin origin = !folder && look(o, node, name, &st) ? observers_origin(&st) : ORIGIN_NEW;
    bool replaced = origin == ORIGIN_REPLACED || (origin == ORIGIN_UNKNOWN && from_temp);
    tell(o, replaced ? CHANGE_MODIFIED : CHANGE_CREATED, folder, node, name, now);
    if (folder) (void)begin_folder(o, node, name, TELLING);
}

void notices_flush(struct observer *o, uint64_t now) {
    struct held *h = &o->held;
    if (!h->any) return;
    struct stat st;
    h->any = false;
    if (!passes(o, h->name)) return;
    bool there = look(o, h->node, h->name, &st);
    /* What went was exchanged for something: of a file that is a change, of a folder nobody knows what is in it. */
    if (there && h->folder) changes_lose(&o->changes);
    else if (there) tell(o, CHANGE_MODIFIED, false, h->node, h->name, now);
    else vanished(o, h->folder, h->node, h->name, now);
}

static void moved(struct observer *o, const struct held *h, uint32_t node, const char *name, uint64_t now) {
    char path[PATH_BYTES + 1], from[PATH_BYTES + 1];
    if (!node_path(o, h->node, h->name, from) || !node_path(o, node, name, path)) {
        changes_lose(&o->changes);
        return;
    }
    changes_add(&o->changes, CHANGE_MOVED, h->folder, path, from, now);
    if (!h->folder) return;
    uint32_t child = node_child(o, h->node, h->name);
    /* What stands there now is asked, not the old name: another folder may have taken that already. */
    if (!begin_folder(o, node, name, IF_NEW) && child != NO_NODE && child != 0) {
        o->nodes[child].parent = node;
        memcpy(o->nodes[child].name, name, strlen(name) + 1);
    }
    nodes_missed(o);
}

static void paired(struct observer *o, const struct held *h, uint32_t node, const char *name, uint64_t now) {
    struct stat st;
    bool from = passes(o, h->name), to = passes(o, name);
    if (from && to && o->only[0] == 0) moved(o, h, node, name, now);
    else if (to) arrived(o, h->folder, node, name, is_temp(h->name), now);
    /* Into the agent's own: deleted, or exchanged for what stands there now. */
    else if (from && !(is_temp(name) && look(o, h->node, h->name, &st))) vanished(o, h->folder, h->node, h->name, now);
}

static void hold(struct observer *o, const struct inotify_event *e, uint32_t node, uint64_t now) {
    o->held = (struct held){true, (e->mask & IN_ISDIR) != 0, e->cookie, node, now, {0}};
    memcpy(o->held.name, e->name, strlen(e->name) + 1);
}

static void in_folder(struct observer *o, const struct inotify_event *e, uint32_t node, uint64_t now) {
    bool folder = (e->mask & IN_ISDIR) != 0;
    struct held before = o->held;
    if (e->mask & IN_MOVED_TO && before.any && before.cookie == e->cookie) {
        o->held.any = false;
        paired(o, &before, node, e->name, now);
        return;
    }
    notices_flush(o, now);
    if (e->mask & IN_MOVED_FROM) hold(o, e, node, now);
    else if (!passes(o, e->name)) return;
    else if (e->mask & (IN_CREATE | IN_MOVED_TO)) arrived(o, folder, node, e->name, false, now);
    else if (e->mask & IN_DELETE) vanished(o, folder, node, e->name, now);
    else if (e->mask & (IN_MODIFY | IN_ATTRIB)) tell(o, CHANGE_MODIFIED, folder, node, e->name, now);
}

static void missed(struct observer *o) {
    changes_lose(&o->changes);
    o->held.any = false;
    if (o->only[0] != 0 || !(o->flags & OBSERVE_RECURSIVE)) return;
    for (uint32_t n = 0; n < o->high; n++) /* folders may have come of which nothing was heard */
        if (o->nodes[n].used) node_todo(o, n, false);
}

static void notice(struct observer *o, const struct inotify_event *e, uint64_t now) {
    if (e->mask & IN_Q_OVERFLOW) {
        missed(o);
        return;
    }
    uint32_t node = node_of(o, e->wd);
    if (node == NO_NODE) return; /* forgotten meanwhile */
    if (node == 0 && e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)) o->gone = true;
    else if (e->mask & IN_IGNORED) {
        notices_flush(o, now); /* it may name this folder */
        node_forget(o, node);
    }
    else if (e->len > 0 && strlen(e->name) <= NAME_BYTES) in_folder(o, e, node, now);
}

void notices_ready(struct watch *w, uint32_t events) {
    struct observer *o = (struct observer *)(void *)w; /* its first member */
    _Alignas(struct inotify_event) uint8_t bytes[NOTICES_BYTES];
    (void)events;
    ssize_t n = read(w->fd, bytes, sizeof bytes);
    uint64_t now = now_ns();
    if (n < 0 && errno != EAGAIN && errno != EINTR) o->gone = true;
    o->unread = n > NOTICES_BYTES / 2;
    for (ssize_t at = 0; at < n;) {
        const struct inotify_event *e = (const struct inotify_event *)(const void *)(bytes + at);
        notice(o, e, now);
        at += (ssize_t)(sizeof *e + e->len);
    }
}
