/* GREP as a job: the walk from file to file, and the page. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include "grep.h"

enum { GREP_BEGIN, GREP_RESUME, GREP_WALK };

bool grep_parse(struct job *j, struct rd *r) {
    struct grep *g = search_parse(j, r, sizeof *g);
    if (g == NULL) return j->stage == UINT32_MAX;
    g->from = rd_u64(r);
    g->from_line = rd_u64(r);
    g->mode = rd_u8(r);
    g->before = rd_u16(r);
    g->after = rd_u16(r);
    g->matches = rd_u32(r);
    g->line_bytes = rd_u32(r);
    g->text_bytes = rd_u32(r);
    g->file_bytes = rd_u64(r);
    struct str pattern = rd_str(r, PAYLOAD_MAX);
    if (r->bad || g->search.walk.flags > GREP_FLAGS) return false;
    g->file.fd = -1;
    g->pattern_n = pattern.n < RX_PATTERN ? pattern.n : RX_PATTERN;
    if (pattern.n > RX_PATTERN) g->search.invalid = true;
    memcpy(g->pattern, pattern.p, g->pattern_n);
    return true;
}

static bool in_bounds(const struct grep *g) {
    bool counts = g->mode >= GREP_LINES_MODE && g->mode <= GREP_COUNTS && g->before <= GREP_CONTEXT && g->after <= GREP_CONTEXT;
    bool page = g->matches >= 1 && g->matches <= GREP_MATCHES && g->line_bytes >= 1 && g->line_bytes <= GREP_LINE;
    bool place = g->from == GREP_FILE_DONE || g->from <= INT64_MAX;
    return counts && page && place && g->text_bytes >= 1 && g->text_bytes <= GREP_TEXT;
}

static enum step end(struct job *j, struct grep *g, const char *path, uint64_t from, uint64_t number) {
    struct channel *c = j->channel;
    grep_close_frame(j, g);
    frame_begin(c, F_GREP_END, j->request);
    put_u8(c, path != NULL);
    put_str(c, path == NULL ? "" : path);
    put_u64(c, from);
    put_u64(c, number);
    search_counts(j);
    put_u64(c, g->files);
    put_u64(c, g->binary);
    put_u64(c, g->large);
    frame_end(c);
    return STEP_DONE;
}

static enum step invalid_pattern(struct job *j, enum rx_fault fault, uint32_t at) {
    frame_begin(j->channel, F_GREP_INVALID, j->request);
    put_u8(j->channel, (uint8_t)fault);
    put_u32(j->channel, at);
    frame_end(j->channel);
    return STEP_DONE;
}

/* ---- files ---- */

static void begin_file(struct job *j, struct grep *g, int fd, uint64_t from, uint64_t number) {
    struct stat st;
    if (fd < 0) {
        if (errno != ENOENT && errno != ELOOP) g->search.walk.unreadable++;
        return;
    }
    note_fd(fd);
    j->fd = fd; /* closed with the job, whatever happens */
    bool regular = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    bool large = regular && (uint64_t)st.st_size > g->file_bytes;
    g->files += regular && !large;
    g->large += large;
    if (!regular || large || st.st_size == 0) {
        j->fd = close_fd(fd);
        return;
    }
    grep_open(g, fd, &st, from, number);
    g->file.settled = etag_settled(&st);
    if (!g->single) memcpy(g->path, walk_path(&g->search.walk), strlen(walk_path(&g->search.walk)) + 1);
}

static int open_entry(const struct walk *w) {
    return openat(walk_folder(w), w->name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
}

/* A match in a file that may still change unseen: it is looked at again when that is over. */
static enum step settle(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    struct stat st;
    (void)job_settle(j, &f->st); /* begins to count the time */
    if (fstat(f->fd, &st) != 0) return job_fail(j, errno);
    grep_open(g, f->fd, &st, f->from, f->from_number);
    f->settled = etag_settled(&st) || (j->settle_until != 0 && now_ns() >= j->settle_until);
    if (f->settled) return STEP_MORE;
    j->wake = now_ns() + NS_PER_MS;
    return STEP_WAIT;
}

static void file_over(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    if (f->count > 0 && g->mode != GREP_LINES_MODE) {
        grep_tell_file(j, g, f->count);
        g->matched++;
    }
    g->full = g->full || g->matched >= g->matches;
    grep_close(j, g);
}

/* ---- the page ---- */

static enum step in_file(struct job *j, struct grep *g) {
    switch (grep_take(j, g)) {
    case TAKEN_MORE: return STEP_MORE;
    case TAKEN_WAIT: return settle(j, g);
    case TAKEN_FILE_OVER:
        file_over(j, g);
        return g->full ? end(j, g, g->path, GREP_FILE_DONE, 0) : STEP_MORE;
    default: break;
    }
    /* What was shown is not shown again; what lies between that and the next match may be shown before it. */
    const struct grep_file *f = &g->file;
    bool seen = f->shown >= f->base && f->shown >= f->counted && f->shown < f->line;
    uint64_t line = seen ? f->shown : f->line, number = grep_number_at(g, line);
    grep_close(j, g);
    return end(j, g, g->path, line, number);
}

static enum step between_files(struct job *j, struct grep *g) {
    struct walk *w = &g->search.walk;
    if (g->single) return end(j, g, NULL, 0, 0);
    enum walk_got got = walk_next(w);
    if (got == WALK_END) return end(j, g, NULL, 0, 0);
    if (got == WALK_FAILED) return job_fail(j, errno);
    if (got == WALK_ENTRY && w->type == DT_REG && walk_included(w)) begin_file(j, g, open_entry(w), 0, 1);
    if (j->fd < 0 && w->looked >= g->search.look) return end(j, g, walk_path(w), GREP_FILE_DONE, 0);
    return STEP_MORE;
}

static enum step walk_on(struct job *j, struct grep *g) {
    uint64_t until = search_until();
    enum step answer = STEP_MORE;
    do {
        bool last = j->fd >= 0 && g->search.walk.looked >= g->search.look && !g->single;
        answer = j->fd >= 0 ? in_file(j, g) : between_files(j, g);
        if (last && answer == STEP_MORE && j->fd < 0) answer = end(j, g, g->path, GREP_FILE_DONE, 0);
    } while (answer == STEP_MORE && now_ns() < until && channel_has_room(j->channel));
    if (answer != STEP_DONE) {
        grep_close_frame(j, g);
        search_pulse(j, F_GREP_FILES, now_ns());
    }
    return answer;
}

/* Into the file that the last page ended in, if it is still there. */
static void resume(struct job *j, struct grep *g) {
    struct walk *w = &g->search.walk;
    j->stage = GREP_WALK;
    if (g->single) {
        int fd = j->fd;
        j->fd = -1;
        if (g->from != GREP_FILE_DONE) begin_file(j, g, fd, g->from, g->from > 0 ? g->from_line : 1);
        else (void)close_fd(fd);
    } else if (w->at_leaf && g->from != GREP_FILE_DONE) {
        begin_file(j, g, open_entry(w), g->from, g->from > 0 ? g->from_line : 1);
    }
}

static enum step begin(struct job *j, struct grep *g) {
    uint32_t at = 0;
    if (!in_bounds(g)) return job_fail(j, EINVAL);
    if (!g->search.running) {
        enum step begun = search_begin(j, true);
        if (begun != STEP_MORE) return begun;
    }
    g->single = j->fd >= 0;
    if (g->single && g->search.walk.after[0] != 0) return job_fail(j, EINVAL);
    enum rx_fault fault = rx_build(&g->rx, g->pattern, g->pattern_n, g->search.walk.flags >> 2, &at);
    if (fault != RX_FINE) return invalid_pattern(j, fault, at);
    j->stage = GREP_RESUME;
    return STEP_MORE;
}

enum step grep_step(struct job *j) {
    struct grep *g = j->map;
    if (j->stage == GREP_BEGIN) return begin(j, g);
    if (j->stage == GREP_RESUME) resume(j, g);
    return walk_on(j, g);
}
