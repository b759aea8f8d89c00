/* At the agent's start: what batches an earlier agent left in any root. First those that were committed are carried
 * forward, or undone where that cannot be; file requests wait for that. Their staging folders are then for the sweep. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "batch_commit.h"
#include "listing.h"
#include "resolve.h"
#include "roots.h"
#include "unnamed.h"
#include "util.h"

/* A root may be open to others. What they made there, or could have put into what we made, is not to be carried out with
 * this user's rights. */
static const struct stat *own_of(struct job *j) {
    struct batch *b = batch_of(j);
    if (!b->looked) unnamed_looks(j->folder, &b->own);
    b->looked = true;
    return &b->own;
}

/* Where the file system makes the modes up, they tell nothing. */
static bool is_ours_alone(const struct stat *st, const struct stat *own) {
    return st->st_uid == own->st_uid && ((st->st_mode & 077) == 0 || (own->st_mode & 077) != 0);
}

static bool open_staging(struct job *j, const char *name) {
    struct stat st;
    j->top = openat(j->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (j->top < 0) return false;
    bool ours = fstat(j->top, &st) == 0 && is_ours_alone(&st, own_of(j));
    bool held = ours && flock(j->top, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; /* another agent's, alive */
    if (!held && ours && strlen(name) < sizeof j->temp) {
        batch_of(j)->dev = st.st_dev;
        memcpy(j->temp, name, strlen(name) + 1);
        return true;
    }
    j->top = close_fd(j->top);
    return false;
}

static bool open_committed(struct job *j) {
    struct batch *b = batch_of(j);
    struct stat st;
    b->journal = openat(j->top, JOURNAL_COMMITTED, O_RDWR | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    note_fd(b->journal);
    if (b->journal >= 0 && fstat(b->journal, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 &&
        is_ours_alone(&st, own_of(j))) {
        b->end = (uint64_t)st.st_size;
        b->at = 0;
        b->r.bytes = 0;
        b->failed = false;
        j->stage = BATCH_APPLY;
        return true;
    }
    b->journal = close_fd(b->journal);
    return false;
}

static bool found(struct job *j, const char *name) {
    if (strncmp(name, BATCH_PREFIX, sizeof BATCH_PREFIX - 1) != 0 || !open_staging(j, name)) return false;
    if (open_committed(j)) return true;
    j->top = close_fd(j->top);
    j->temp[0] = 0;
    return false;
}

static enum step over(struct job *j) {
    job_release(j);
    j->stage = BATCH_OVER;
    return STEP_DONE;
}

static enum step next_root(struct job *j) {
    struct batch *b = batch_of(j);
    b->scanned = 0;
    b->looked = false;
    j->folder = close_fd(j->folder);
    return ++b->root < roots_count() ? STEP_MORE : over(j);
}

enum step batch_find(struct job *j) {
    struct listing l;
    const char *name;
    if (j->map == NULL && !batch_allocate(j)) return over(j);
    struct batch *b = batch_of(j);
    b->recovering = true;
    b->journal = close_fd(b->journal);
    j->top = close_fd(j->top);
    j->temp[0] = 0;
    job_hold(j);
    if (j->folder < 0) j->folder = resolve_directory(roots_name(b->root));
    bool read = j->folder >= 0 && lseek(j->folder, b->scanned, SEEK_SET) >= 0 && listing_read(&l, j->folder);
    if (!read || l.n == 0) return next_root(j);
    while ((name = listing_next(&l)) != NULL) {
        b->scanned = l.after;
        if (found(j, name)) return STEP_MORE;
    }
    b->scanned = l.after;
    return STEP_MORE;
}

void batch_recover(struct job *j) {
    j->stage = BATCH_FIND;
    job_hold(j);
}
