/* Folders that hosts watch. An observer lives beyond the request that made it, so that whoever comes back within
 * OBSERVER_LINGER_SECONDS misses nothing. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "changes.h"
#include "limits.h"
#include "listing.h"
#include "loop.h"

#define BUCKETS 4096u
#define NO_NODE UINT32_MAX

struct node { /* a folder that is observed */
    int wd;
    uint32_t parent, next, todo;
    bool used, waits, tell; /* waits to be looked through; then what is in it is told as created */
    bool done, missed;      /* it was looked through; it was not where its name says: the notice of a move is on its way */
    char name[NAME_BYTES + 1];
};

struct held { /* the first half of a move */
    bool any, folder;
    uint32_t cookie, node;
    uint64_t since;
    char name[NAME_BYTES + 1];
};

struct observer {
    struct watch watch; /* of the kernel's notices; the first member */
    uint64_t id;        /* 0: free */
    uint32_t flags, debounce_ms;
    uint64_t asked_at;
    bool baseline;  /* what was there at first has been looked through */
    bool partial;   /* some folders are not observed: too many */
    bool unread;    /* the kernel has more to tell */
    bool gone;      /* the folder itself is no longer what it was */
    char path[PATH_BYTES + 1];
    char only[NAME_BYTES + 1]; /* a single file of the folder; empty: all */
    struct node *nodes;
    uint32_t high, spare; /* nodes that were ever used; the first of those that are free */
    uint32_t buckets[BUCKETS];
    uint32_t todo_first, todo_last;
    int scan_fd;
    uint32_t scanned;
    struct held held;
    struct changes changes;
};

enum { OBSERVE_RECURSIVE = 1, OBSERVE_ALL = 1 };

/* NULL with errno. */
struct observer *observer_open(const char *path, uint32_t flags, uint32_t debounce_ms);
struct observer *observer_find(uint64_t id, const char *path, uint32_t flags);
void observer_close(struct observer *o);
void observer_wanted(struct observer *o); /* somebody asked just now */
uint64_t observers_run(uint64_t now);
/* The agent gave a file of its own its name: whether that was new is known to it alone. */
void observers_note(const struct stat *st, bool created);
enum origin { ORIGIN_UNKNOWN, ORIGIN_NEW, ORIGIN_REPLACED };
enum origin observers_origin(const struct stat *st);

/* observed.c: the folders. */
bool node_root(struct observer *o, int folder);
/* What is to become of what is in a folder: nothing is told of it; all is told as created; that only if the folder was
 * not known. */
enum how { QUIETLY, TELLING, IF_NEW };
/* False: there is no such folder. */
bool node_add(struct observer *o, int at, uint32_t parent, const char *name, enum how how);
/* The folder of a node, opened by its path. -1: it is not there (any more, or yet): it is looked for after the next move. */
int node_open(struct observer *o, uint32_t node);
void nodes_missed(struct observer *o); /* something was moved: look for those that were missed */
uint32_t node_of(const struct observer *o, int wd);
uint32_t node_child(const struct observer *o, uint32_t parent, const char *name);
void node_forget(struct observer *o, uint32_t node);
void node_drop_tree(struct observer *o, uint32_t node); /* and what is beneath it */
void node_todo(struct observer *o, uint32_t node, bool tell);
/* The path of something in a folder, relative to what is observed. False: too long. */
bool node_path(const struct observer *o, uint32_t node, const char *name, char path[PATH_BYTES + 1]);
/* From the workspace. */
bool observed_path(const struct observer *o, const char *relative, char path[PATH_BYTES + 1]);
bool scan_step(struct observer *o, uint64_t now); /* false: nothing is left to look through */

/* notice.c: what the kernel tells. */
void notices_ready(struct watch *w, uint32_t events);
void notices_flush(struct observer *o, uint64_t now);
