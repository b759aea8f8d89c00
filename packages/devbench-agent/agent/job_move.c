/* MOVE. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "exchange.h"
#include "pair.h"
#include "parents.h"
#include "resolve.h"
#include "util.h"

enum { MOVE_BEGIN, MOVE_REPLY, MOVE_CONFLICT, MOVE_CONFLICT_TO };

#define MOVE_FLAGS (P_CREATE | P_PARENTS | P_IF_MATCH | P_IF_MATCH_TO)

bool pair_parse(struct job *j, struct rd *r, size_t bytes) {
    j->map_bytes = bytes;
    struct pair *p = j->map = private_map(bytes);
    if (p == NULL) {
        channel_error(j->channel, E_INTERNAL, "no memory for a request");
        return false;
    }
    bool parsed = job_path(j, r) && job_path_into(j, r, p->to);
    j->flags = rd_u32(r);
    return parsed;
}

static bool etag_into(struct rd *r, char to[ETAG_TEXT]) {
    struct str s = rd_str(r, ETAG_MAX);
    if (r->bad) return false;
    memcpy(to, s.p, s.n);
    to[s.n] = 0;
    return true;
}

bool pair_parse_etags(struct job *j, struct rd *r) {
    struct pair *p = j->map;
    return etag_into(r, p->if_match) && etag_into(r, p->if_match_to);
}

int pair_matches(const struct stat *st, const char *etag) {
    char now[ETAG_TEXT];
    if (!S_ISREG(st->st_mode)) return EINVAL;
    etag_of(st, now);
    return strcmp(now, etag) == 0 ? 0 : ESTALE;
}

bool move_parse(struct job *j, struct rd *r) {
    return pair_parse(j, r, sizeof(struct pair)) && pair_parse_etags(j, r) && (j->flags & ~(uint32_t)MOVE_FLAGS) == 0;
}

static enum step conflict(struct job *j, bool second) {
    struct pair *p = j->map;
    j->stage = second ? MOVE_CONFLICT_TO : MOVE_CONFLICT;
    return second ? job_conflict(j, j->top, p->leaf, true, "the target changed")
                  : job_conflict(j, j->folder, j->leaf, false, "the file changed");
}

/* Which of the two names is to blame for what a rename said. */
static enum step blame(struct job *j, int error) {
    if (error == EINVAL) return job_fail_with(j, FE_INTO_ITSELF, (int)(EINVAL | SECOND_PATH), "", "a folder into itself");
    if (error == EXDEV) return job_fail_with(j, FE_OTHER_DEVICE, (int)(EXDEV | SECOND_PATH), "", "another file system");
    bool denied = error == EACCES || error == EPERM;
    if (error == ENOENT || (denied && faccessat(j->folder, ".", W_OK | X_OK, 0) != 0)) return job_fail(j, error);
    /* What may be written into, and still may not be left, is a folder whose own ".." is to change. */
    if (denied && faccessat(j->top, ".", W_OK | X_OK, 0) == 0) return job_fail(j, error);
    return job_fail_second(j, error);
}

static bool same_node(const struct stat *a, const struct stat *b) { return a->st_dev == b->st_dev && a->st_ino == b->st_ino; }

/* Two names of one file: a rename would leave both. */
static int one_of_two(struct job *j, const struct pair *p) {
    struct stat a;
    struct stat b;
    bool same_folder = fstat(j->folder, &a) == 0 && fstat(j->top, &b) == 0 && same_node(&a, &b);
    if (same_folder && strcmp(j->leaf, p->leaf) == 0) return 0;
    return unlinkat(j->folder, j->leaf, 0);
}

static int rename_now(struct job *j, const struct pair *p, const struct stat *from, const struct stat *to) {
    if (j->created) return exchange_move(j->folder, j->leaf, j->top, p->leaf);
    if (same_node(from, to) && !S_ISDIR(from->st_mode)) return one_of_two(j, p);
    if (j->flags & P_IF_MATCH_TO) return exchange_move_over(j->folder, j->leaf, j->top, p->leaf, to);
    return renameat(j->folder, j->leaf, j->top, p->leaf);
}

/* A conditional move took what was changed in the last moment: it goes back. */
static bool took_another(struct job *j, const struct pair *p, const struct stat *before) {
    struct stat now;
    if (!(j->flags & P_IF_MATCH) || fstatat(j->top, p->leaf, &now, AT_SYMLINK_NOFOLLOW) != 0) return false;
    if (exchange_same(&now, before)) return false;
    return j->created && exchange_move(j->top, p->leaf, j->folder, j->leaf) == 0;
}

/* The target as it is: 0, or what is wrong with it. */
static int look_to(struct job *j, const struct pair *p, const struct stat *from, struct stat *to) {
    j->created = fstatat(j->top, p->leaf, to, AT_SYMLINK_NOFOLLOW) != 0;
    if (j->created) return errno != ENOENT ? errno : j->flags & P_IF_MATCH_TO ? ENOENT : 0;
    if (j->flags & P_CREATE) return EEXIST;
    if (j->flags & P_IF_MATCH_TO) {
        int error = pair_matches(to, p->if_match_to);
        if (error != 0) return error;
    }
    if (S_ISREG(to->st_mode) && !same_node(from, to) && faccessat(j->top, p->leaf, W_OK, 0) != 0) return errno;
    return 0;
}

static enum step begin(struct job *j) {
    struct pair *p = j->map;
    struct stat from;
    struct stat to;
    if ((j->flags & P_CREATE) && (j->flags & P_IF_MATCH_TO)) return job_fail(j, EINVAL);
    j->folder = resolve_parent(j->path, j->leaf);
    if (j->folder < 0) return job_fail(j, errno);
    if (strcmp(j->leaf, ".") == 0) return job_fail(j, EINVAL);
    if (fstatat(j->folder, j->leaf, &from, AT_SYMLINK_NOFOLLOW) != 0) return job_fail(j, errno);
    int error = j->flags & P_IF_MATCH ? pair_matches(&from, p->if_match) : 0;
    if (error == ESTALE) return conflict(j, false);
    if (error != 0) return job_fail_with(j, FE_INVALID, error, "", ONLY_FILES);
    if ((j->flags & P_PARENTS) && parents_make(p->to, &j->made) != 0) return job_fail_second(j, errno);
    j->top = resolve_parent(p->to, p->leaf);
    if (j->top < 0) return job_fail_second(j, errno);
    if (strcmp(p->leaf, ".") == 0) return job_fail_second(j, EISDIR);
    error = look_to(j, p, &from, &to);
    if (error == ESTALE) return conflict(j, true);
    if (error == EINVAL) return job_fail_with(j, FE_INVALID, (int)(EINVAL | SECOND_PATH), "", ONLY_FILES);
    if (error != 0) return job_fail_second(j, error);
    if (rename_now(j, p, &from, &to) != 0) return errno == ESTALE ? conflict(j, true) : blame(j, errno);
    if (took_another(j, p, &from)) return conflict(j, false);
    j->made = 0;
    j->stage = MOVE_REPLY;
    return STEP_MORE;
}

static enum step reply(struct job *j) {
    struct pair *p = j->map;
    struct stat st;
    if (fstatat(j->top, p->leaf, &st, AT_SYMLINK_NOFOLLOW) != 0) return job_fail_second(j, errno);
    if (!job_settle(j, &st)) return STEP_WAIT;
    frame_begin(j->channel, F_MOVED, j->request);
    put_u8(j->channel, !j->created);
    put_stat(j, &st, j->top, p->leaf);
    frame_end(j->channel);
    return STEP_DONE;
}

enum step move_step(struct job *j) {
    switch (j->stage) {
    case MOVE_BEGIN: return begin(j);
    case MOVE_REPLY: return reply(j);
    default: return conflict(j, j->stage == MOVE_CONFLICT_TO);
    }
}
