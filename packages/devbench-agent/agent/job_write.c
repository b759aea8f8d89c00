/* WRITE: into a temporary file beside the target, which then takes the name at once. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "copying.h"
#include "exchange.h"
#include "job.h"
#include "observer.h"
#include "parents.h"
#include "resolve.h"
#include "roots.h"
#include "util.h"
#include "writing.h"

#define MODE_NEW 0644
#define SIZE_UNKNOWN UINT64_MAX

bool write_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->flags = rd_u32(r);
    j->mode = rd_u32(r);
    j->size = rd_u64(r);
    struct str match = rd_str(r, ETAG_MAX);
    if (r->bad) return false;
    memcpy(j->inner, match.p, match.n); /* what must match */
    j->inner[match.n] = 0;
    return parsed && (j->flags & ~(uint32_t)W_ALL) == 0;
}

enum step write_conflict(struct job *j) {
    j->stage = WRITE_CONFLICT;
    return job_conflict(j, j->folder, j->leaf, j->type == F_COPY, "the file changed");
}

/* What stands under the name now: 0 fine, else an errno. */
int write_look(struct job *j, struct stat *st) {
    char now[ETAG_TEXT];
    j->created = false;
    if (fstatat(j->folder, j->leaf, st, AT_SYMLINK_NOFOLLOW) != 0) {
        if (errno != ENOENT) return errno;
        j->created = true;
        return j->flags & W_IF_MATCH ? ENOENT : 0;
    }
    if (S_ISDIR(st->st_mode)) return EISDIR;
    if (S_ISLNK(st->st_mode) && (j->flags & W_REPLACE_LINK) && !(j->flags & W_IF_MATCH)) {
        j->created = true;
        return j->flags & W_CREATE ? EEXIST : 0;
    }
    if (!S_ISREG(st->st_mode)) return S_ISLNK(st->st_mode) ? (j->flags & W_REPLACE_LINK ? ELOOP : EAGAIN) : ENOTSUP;
    if (j->flags & W_CREATE) return EEXIST;
    /* The folder alone would allow it: a name can be given anew. But it is the file that is asked to be written. */
    if (faccessat(j->folder, j->leaf, W_OK, 0) != 0) return errno;
    if (!(j->flags & W_IF_MATCH)) return 0;
    etag_of(st, now);
    return strcmp(now, j->inner) == 0 ? 0 : ESTALE;
}

int write_open_temp(struct job *j) {
    char name[TEMP_NAME];
    job_temp_name(name);
    j->fd = openat(j->folder, name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (j->fd < 0) return -1;
    memcpy(j->temp, name, sizeof name);
    /* Tells a sweeping agent that this one is in use; file systems without locks lose only that. */
    (void)flock(j->fd, LOCK_EX | LOCK_NB);
    return 0;
}

/* What came while another job held the rest up waits in its path's root, and then goes beside its target. */
static int bring_temp(struct job *j, int from) {
    int error = renameat(from, j->temp, j->folder, j->temp) == 0 ? 0 : errno == EXDEV ? EAGAIN : errno;
    if (error != 0) (void)unlinkat(from, j->temp, 0);
    if (error != 0) j->temp[0] = 0;
    (void)close_fd(from);
    return error;
}

static enum step park(struct job *j) {
    const char *rest;
    if (j->folder >= 0) return STEP_MORE;
    j->folder = roots_open(j->path, &rest);
    if (j->folder < 0) return job_fail(j, errno);
    if (write_open_temp(j) == 0) return STEP_MORE;
    if (errno != EACCES && errno != EROFS) return job_fail(j, errno);
    /* A root of which this user may write to some folder only: then there, unless it is still to be made. */
    (void)close_fd(j->folder);
    j->folder = resolve_target(j->path, j->leaf);
    if (j->folder < 0) return job_fail(j, EAGAIN);
    return write_open_temp(j) == 0 ? STEP_MORE : job_fail(j, errno);
}

static int resolve_own(struct job *j) {
    j->folder = j->flags & W_REPLACE_LINK ? resolve_parent(j->path, j->leaf) : resolve_target(j->path, j->leaf);
    return j->folder < 0 ? errno : 0;
}

/* Where the temporary file goes. Folders that are missing are made when all has come, so that until then nothing is: the
 * file waits in the deepest that is there, which is on the same file system. */
static int find_folder(struct job *j) {
    /* What must be there already needs no folders, and a condition that fails changes nothing. */
    bool parents = (j->flags & W_PARENTS) && !(j->flags & W_IF_MATCH);
    int error = resolve_own(j);
    if (error != ENOENT || !parents) return error;
    if (!(j->flags & W_APPEND)) j->folder = parents_nearest(j->path);
    j->homeless = j->folder >= 0;
    if (j->homeless) return 0;
    return parents_make(j->path, &j->made) == 0 ? resolve_own(j) : errno;
}

static int make_home(struct job *j) {
    int waits_in = j->folder;
    j->homeless = false;
    int error = parents_make(j->path, &j->made) == 0 ? resolve_own(j) : errno;
    if (error == 0) return bring_temp(j, waits_in);
    j->folder = waits_in; /* to be put away with it */
    return error;
}

static enum step open_target(struct job *j) {
    int parked = j->folder; /* with the temporary file in it */
    struct stat st;
    bool odd_mode = j->mode != UINT32_MAX && j->mode > 07777;
    bool both = (j->flags & W_APPEND) && (j->flags & W_REPLACE_LINK);
    if (odd_mode || both || ((j->flags & W_CREATE) && (j->flags & W_IF_MATCH))) return job_fail(j, EINVAL);
    int error = find_folder(j);
    if (parked >= 0 && error != 0) j->folder = parked; /* to be put away with it */
    else if (parked >= 0) error = bring_temp(j, parked);
    if (error != 0) return job_fail(j, error);
    error = j->homeless ? 0 : write_look(j, &st);
    if (error == ESTALE) return write_conflict(j);
    if (error == 0 && parked < 0 && write_open_temp(j) != 0) error = errno;
    if (error == 0 && (j->flags & W_APPEND) && !append_begin(j)) error = ENOMEM;
    if (error != 0) return job_fail(j, error);
    j->stage = WRITE_RECEIVE;
    return STEP_MORE;
}

enum step write_data(struct job *j, const uint8_t *p, size_t n) {
    if (j->stage == WRITE_CONFLICT) return STEP_MORE;
    bool waits = j->stage == WRITE_OPEN && jobs_held();
    if (j->stage == WRITE_OPEN && (waits ? park(j) : open_target(j)) == STEP_DONE) return STEP_DONE;
    if (j->stage == WRITE_CONFLICT) return STEP_MORE;
    if (j->size != SIZE_UNKNOWN && n > j->size - j->done)
        return job_fail_with(j, FE_INVALID, EINVAL, "", "more bytes than announced");
    while (n > 0) {
        ssize_t done = write(j->fd, p, n);
        if (done < 0 && errno == EINTR) continue;
        if (done <= 0) return job_fail(j, done < 0 ? errno : EIO);
        p += done;
        n -= (size_t)done;
        j->done += (uint64_t)done;
    }
    return STEP_MORE;
}

int write_dress(struct job *j, const struct stat *before) {
    mode_t mode = j->mode != UINT32_MAX ? (mode_t)j->mode : j->created ? MODE_NEW & ~job_umask() : before->st_mode & 07777;
    /* Keeping the owner is a courtesy that only a privileged agent can do; powers of another's are not lent. */
    if (!j->created && !copy_owner(j->fd, before) && j->mode == UINT32_MAX) mode &= 0777;
    /* A copy brings its own. */
    if (!j->created && j->type != F_COPY && copy_attributes_of(j->folder, j->leaf, j->fd) != 0) return -1;
    if (fchmod(j->fd, mode) != 0) return -1;
    return etag_stamp(j->fd) && fstat(j->fd, &j->st) == 0 ? 0 : -1;
}

enum step write_commit(struct job *j) {
    struct stat before;
    int done;
    int error = j->homeless ? make_home(j) : 0;
    if (error == 0) error = write_look(j, &before);
    if (error == ESTALE) return write_conflict(j);
    if (error != 0 && j->type == F_COPY) return job_fail_second(j, error);
    if (error != 0) return job_fail(j, error);
    if (write_dress(j, &before) != 0) return j->type == F_COPY ? job_fail_second(j, errno) : job_fail(j, errno);
    bool append = (j->flags & W_APPEND) != 0;
    const struct stat *basis = append ? append_before(j) : &before;
    if (append && (basis == NULL) != j->created) return append_again(j);
    if ((j->flags & W_CREATE) || basis == NULL) done = exchange_create(j->folder, j->temp, j->leaf);
    else if (append || (j->flags & W_IF_MATCH)) done = exchange_conditional(j->folder, j->temp, j->leaf, basis);
    else done = renameat(j->folder, j->temp, j->folder, j->leaf);
    if (done != 0 && append && (errno == ESTALE || (errno == EEXIST && !(j->flags & W_CREATE)))) return append_again(j);
    if (done != 0 && j->type == F_COPY && errno != ESTALE) return job_fail_second(j, errno);
    if (done != 0) return errno == ESTALE ? write_conflict(j) : job_fail(j, errno);
    j->temp[0] = 0;
    j->made = 0;
    observers_note(&j->st, j->created);
    if (append) append_over(j);
    j->stage = j->flags & W_FSYNC ? WRITE_SYNC_FOLDER : WRITE_REPLY;
    return STEP_MORE;
}

/* The etag is that of the bytes written: whoever changed the file since must not be covered by it. */
void write_own_etag(struct job *j, struct stat *now) {
    if (fstat(j->fd, now) != 0) *now = j->st;
    bool untouched = now->st_size == j->st.st_size && now->st_mtim.tv_sec == j->st.st_mtim.tv_sec &&
                     now->st_mtim.tv_nsec == j->st.st_mtim.tv_nsec;
    if (untouched) {
        etag_note_own(now);
        etag_of(now, j->etag);
    } else {
        etag_unsettled(j->etag);
    }
}

static enum step reply(struct job *j) {
    struct stat now;
    write_own_etag(j, &now);
    frame_begin(j->channel, F_WRITTEN, j->request);
    put_u8(j->channel, j->created);
    put_stat(j, &now, -1, "");
    frame_end(j->channel);
    return STEP_DONE;
}

static enum step sync_with(struct job *j, int fd, unsigned next) {
    if (j->helper != 0) return STEP_WAIT;
    if (j->helper_answer == 0 && j->more) { /* it ran, and well */
        j->more = false;
        j->stage = next;
        return STEP_MORE;
    }
    if (j->more) return job_fail(j, j->helper_answer);
    j->more = job_sync(j, fd);
    return j->more ? STEP_WAIT : job_fail(j, errno);
}

static enum step sync_folder(struct job *j) {
    /* The folder was only looked up; to be flushed it must be opened. */
    if (j->top < 0) j->top = openat(j->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return j->top < 0 ? job_fail(j, errno) : sync_with(j, j->top, WRITE_REPLY);
}

static enum step received(struct job *j) {
    if (!j->ended) return STEP_WAIT;
    if (j->size != SIZE_UNKNOWN && j->done != j->size)
        return job_fail_with(j, FE_INVALID, EINVAL, "", "fewer bytes than announced");
    if (j->flags & W_APPEND) return append_received(j);
    j->stage = j->flags & W_FSYNC ? WRITE_SYNC : WRITE_COMMIT;
    return STEP_MORE;
}

enum step write_step(struct job *j) {
    switch (j->stage) {
    case WRITE_OPEN: return open_target(j);
    case WRITE_RECEIVE: return received(j);
    case WRITE_SYNC: return sync_with(j, j->fd, WRITE_COMMIT);
    case WRITE_COMMIT: return write_commit(j);
    case WRITE_SYNC_FOLDER: return sync_folder(j);
    case WRITE_REPLY: return reply(j);
    case WRITE_CONFLICT: return write_conflict(j);
    default: return append_step(j);
    }
}
