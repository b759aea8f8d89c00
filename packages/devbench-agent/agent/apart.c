/* As a recursive DELETE does it, two levels at a time: what lies deeper is lifted up beside the rest, so that any depth
 * takes two descriptors and no path is followed. Unlike there, nobody waits for an answer: an entry that stays (of
 * another user, immutable, a mount point) is passed over, and when a whole pass removed nothing that was all.
 *
 * Mount points are not entered: rmdir says EBUSY of one, and ENOTEMPTY only of a folder that is none. */
#include "apart.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "job.h"
#include "util.h"

void apart_begin(struct apart *a, int folder, const char *name, int top) {
    a->folder = folder;
    a->top = top;
    a->lower = -1;
    a->got_on = false;
    a->until = now_ns() + SWEEP_FOLDER_SECONDS * NS_PER_S;
    a->upper_names.at = a->upper_names.n = 0;
    memcpy(a->name, name, strlen(name) + 1);
}

static void over(struct apart *a) {
    a->lower = close_fd(a->lower);
    a->top = close_fd(a->top);
}

/* NULL: there are no more, or they cannot be read. */
static const char *next_of(struct listing *l, int fd) {
    const char *name = listing_next(l);
    while (name == NULL && listing_read(l, fd) && l->n > 0) name = listing_next(l);
    return name;
}

/* False: it is a folder with something in it. */
static bool remove_entry(struct apart *a, int at, const char *name) {
    bool gone = unlinkat(at, name, 0) == 0;
    if (!gone && (errno == EISDIR || errno == EPERM)) {
        gone = unlinkat(at, name, AT_REMOVEDIR) == 0;
        if (!gone && (errno == ENOTEMPTY || errno == EEXIST)) return false;
    }
    a->got_on = a->got_on || gone;
    return true;
}

static void enter(struct apart *a, const char *name) {
    a->lower = open_to_empty(a->top, name);
    if (a->lower < 0) return;
    note_fd(a->lower);
    a->lower_names.at = a->lower_names.n = 0;
    memcpy(a->inner, name, strlen(name) + 1);
}

static void lift(struct apart *a, const char *name) {
    char fresh[TEMP_NAME];
    job_temp_name(fresh);
    bool lifted = renameat(a->lower, name, a->top, fresh) == 0;
    /* A folder that its owner may not write to cannot be moved by him. */
    if (!lifted && errno == EACCES && fchmodat(a->lower, name, 0700, AT_SYMLINK_NOFOLLOW) == 0)
        lifted = renameat(a->lower, name, a->top, fresh) == 0;
    a->got_on = a->got_on || lifted;
}

static void lower_step(struct apart *a) {
    const char *name = next_of(&a->lower_names, a->lower);
    if (name != NULL) {
        if (!remove_entry(a, a->lower, name)) lift(a, name);
        return;
    }
    a->lower = close_fd(a->lower);
    if (unlinkat(a->top, a->inner, AT_REMOVEDIR) == 0) a->got_on = true;
}

static void end_of_pass(struct apart *a) {
    bool gone = unlinkat(a->folder, a->name, AT_REMOVEDIR) == 0;
    if (gone || !a->got_on || lseek(a->top, 0, SEEK_SET) != 0) {
        over(a);
        return;
    }
    a->got_on = false;
    a->upper_names.at = a->upper_names.n = 0;
}

void apart_step(struct apart *a) {
    if (now_ns() >= a->until) {
        over(a);
        return;
    }
    if (a->lower >= 0) {
        lower_step(a);
        return;
    }
    const char *name = next_of(&a->upper_names, a->top);
    if (name == NULL) end_of_pass(a);
    else if (!remove_entry(a, a->top, name)) enter(a, name);
}
