/* One file of GREP, in pieces: its lines are looked at in a buffer that moves along. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "grep.h"

static const uint8_t *byte_at(const struct grep *g, uint64_t at) { return g->bytes + (at - g->file.base); }
static uint64_t filled(const struct grep *g) { return g->file.base + g->file.n; }

/* Whether a line need not be in the buffer as a whole for it to be found. */
static bool by_itself(const struct grep *g) { return g->rx.literal || g->rx.must_n == 0; }

void grep_open(struct grep *g, int fd, const struct stat *st, uint64_t from, uint64_t number) {
    g->file = (struct grep_file){.fd = fd, .st = *st, .base = from, .at = from, .line = from, .counted = from,
                                 .number = number, .shown = from, .from = from, .from_number = number};
    g->file.streaming = by_itself(g);
    g->file.base_whole = true;
    g->file.resume = SCAN_LOOK;
}

void grep_close(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    struct stat now;
    grep_close_frame(j, g);
    if (f->told && fstat(f->fd, &now) == 0 &&
        (now.st_size != f->st.st_size || now.st_mtim.tv_sec != f->st.st_mtim.tv_sec ||
         now.st_mtim.tv_nsec != f->st.st_mtim.tv_nsec || now.st_ctim.tv_sec != f->st.st_ctim.tv_sec ||
         now.st_ctim.tv_nsec != f->st.st_ctim.tv_nsec)) {
        frame_begin(j->channel, F_GREP_CHANGED, j->request);
        frame_end(j->channel);
    }
    f->fd = close_fd(f->fd);
    f->told = false;
    j->fd = -1;
    j->settle_until = 0;
}

/* ---- the buffer ---- */

/* From where on bytes are still needed: the line (of a very long one only the part before what was looked at), and the
 * lines before it that may be shown. */
static uint64_t keep_from(const struct grep *g) {
    const struct grep_file *f = &g->file;
    uint64_t keep = f->line > f->base ? f->line : f->base;
    bool partly = f->streaming || f->resume == SCAN_LINE;
    if (partly && f->at - keep > GREP_SPAN) return f->at - GREP_SPAN;
    uint64_t least = f->shown > f->base ? f->shown : f->base;
    if (keep - least > GREP_SPAN) least = keep - GREP_SPAN;
    for (unsigned i = 0; i < g->before && keep > least; i++) {
        const uint8_t *stop = keep - least < 2 ? NULL : memrchr(byte_at(g, least), '\n', (size_t)(keep - least - 1));
        if (stop == NULL) break;
        keep = f->base + (uint64_t)(stop - g->bytes) + 1;
    }
    return keep;
}

static enum taken fill(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    bool first = f->n == 0 && f->base == 0 && f->at == 0;
    grep_show_after(j, g, f->line);
    uint64_t keep = keep_from(g);
    if (g->mode == GREP_LINES_MODE) (void)grep_number_at(g, keep < f->line ? keep : f->line);
    if (keep > f->base) {
        f->n -= (size_t)(keep - f->base);
        memmove(g->bytes, byte_at(g, keep), f->n);
        f->base = keep;
        f->base_whole = keep <= f->line;
    }
    f->scan = f->resume;
    if (f->n == GREP_BUFFER) { /* a line that does not fit */
        f->streaming = true;
        f->at = f->line;
        f->state = rx_start(&g->rx.forward, '\n');
        return TAKEN_MORE;
    }
    size_t asked = GREP_BUFFER - f->n < GREP_READ ? GREP_BUFFER - f->n : GREP_READ;
    ssize_t got = pread(f->fd, g->bytes + f->n, asked, (off_t)filled(g));
    if (got < 0) {
        g->search.walk.unreadable++;
        return TAKEN_FILE_OVER;
    }
    f->eof = (size_t)got < asked;
    if (first && memchr(g->bytes, 0, (size_t)got < GREP_BINARY_LOOK ? (size_t)got : GREP_BINARY_LOOK) != NULL) {
        g->binary++;
        return TAKEN_FILE_OVER;
    }
    f->n += (size_t)got;
    return TAKEN_MORE;
}

/* ---- looking ---- */

static void line_of(struct grep *g, uint64_t from, uint64_t at) {
    struct grep_file *f = &g->file;
    const uint8_t *stop = at > from ? memrchr(byte_at(g, from), '\n', (size_t)(at - from)) : NULL;
    if (stop != NULL) f->line = f->base + (uint64_t)(stop - g->bytes) + 1;
}

static enum taken found(struct grep *g, uint64_t hit) {
    g->file.hit = hit;
    g->file.scan = SCAN_LINE;
    return TAKEN_MORE;
}

static enum taken need_more(struct grep *g) {
    struct grep_file *f = &g->file;
    f->scan = SCAN_FILL;
    f->resume = SCAN_LOOK;
    return f->eof ? TAKEN_FILE_OVER : TAKEN_MORE;
}

static enum taken look_literally(struct grep *g, uint64_t upto) {
    struct grep_file *f = &g->file;
    size_t must = g->rx.must_n;
    const uint8_t *p = byte_at(g, f->at);
    const uint8_t *hit = memmem(p, (size_t)(upto - f->at), g->rx.must, must);
    if (hit != NULL) {
        uint64_t at = f->base + (uint64_t)(hit - g->bytes);
        line_of(g, f->at, at);
        f->column = at - f->line;
        f->at = at;
        return found(g, at);
    }
    uint64_t next = upto == filled(g) && f->eof ? upto : upto - f->at >= must ? upto - must + 1 : f->at;
    bool stuck = next == f->at;
    line_of(g, f->at, next);
    f->at = next;
    if (upto != filled(g) && !stuck) return TAKEN_MORE;
    return need_more(g);
}

static enum taken stream(struct grep *g, uint64_t upto, uint64_t *fuel) {
    struct grep_file *f = &g->file;
    bool matched;
    if (f->state == 0) f->state = rx_start(&g->rx.forward, '\n');
    size_t n = rx_forward(&g->rx.forward, &f->state, byte_at(g, f->at), (size_t)(upto - f->at), fuel, &matched);
    line_of(g, f->at, f->at + n);
    f->at += n;
    if (matched) return found(g, f->at);
    if (f->at < filled(g)) return TAKEN_MORE;
    if (!f->eof || f->line == f->at) return need_more(g);
    /* The last line has no line feed: its end is seen all the same. */
    *fuel += GREP_PIECE;
    (void)rx_forward(&g->rx.forward, &f->state, (const uint8_t *)"\n", 1, fuel, &matched);
    return matched ? found(g, f->at) : need_more(g);
}

/* Lines that hold what every match holds are looked at with the automaton, others not at all. */
static enum taken look_must(struct grep *g, uint64_t upto, uint64_t *fuel) {
    struct grep_file *f = &g->file;
    if (f->state != 0) { /* in such a line */
        uint64_t before = f->line;
        const uint8_t *stop = memchr(byte_at(g, f->at), '\n', (size_t)(filled(g) - f->at));
        uint64_t end = stop == NULL ? filled(g) : f->base + (uint64_t)(stop - g->bytes) + 1;
        enum taken t = stream(g, end < upto ? end : upto, fuel);
        if (f->scan == SCAN_LOOK && t == TAKEN_MORE && f->line != before) f->state = 0;
        return t;
    }
    enum taken t = look_literally(g, upto);
    if (f->scan != SCAN_LINE) return t;
    f->scan = SCAN_LOOK;
    f->at = f->line;
    f->state = rx_start(&g->rx.forward, '\n');
    return TAKEN_MORE;
}

static enum taken look(struct grep *g, uint64_t *fuel) {
    struct grep_file *f = &g->file;
    uint64_t upto = filled(g) - f->at > GREP_PIECE ? f->at + GREP_PIECE : filled(g);
    if (g->rx.literal) return look_literally(g, upto);
    if (g->rx.must_n > 0 && !f->streaming) return look_must(g, upto, fuel);
    return stream(g, upto, fuel);
}

/* ---- a line that matches ---- */

static enum taken line_end(struct grep *g) {
    struct grep_file *f = &g->file;
    const uint8_t *stop = memchr(byte_at(g, f->hit), '\n', (size_t)(filled(g) - f->hit));
    bool far = filled(g) - f->hit >= GREP_SPAN;
    if (stop == NULL && !f->eof && !far) {
        f->scan = SCAN_FILL;
        f->resume = SCAN_LINE;
        return TAKEN_MORE;
    }
    f->cut = stop == NULL && !f->eof;
    f->end = stop == NULL ? filled(g) : f->base + (uint64_t)(stop - g->bytes);
    if (f->end - f->hit > GREP_SPAN) {
        f->end = f->hit + GREP_SPAN;
        f->cut = true;
    }
    bool simple = g->rx.literal || g->mode != GREP_LINES_MODE;
    f->scan = simple ? SCAN_SHOW : SCAN_COLUMN;
    f->back_from = f->line >= f->base && !f->cut ? f->end : f->hit;
    f->first = SIZE_MAX;
    f->state = 0;
    return TAKEN_MORE;
}

/* Back from the line's end: the last place where a match begins is the leftmost. */
static enum taken go_back(struct grep *g, uint64_t *fuel) {
    struct grep_file *f = &g->file;
    uint64_t least = f->line > f->base ? f->line : f->base;
    if (f->hit - least > GREP_SPAN) least = f->hit - GREP_SPAN;
    if (f->state == 0) {
        bool at_end = f->back_from == filled(g) || *byte_at(g, f->back_from) == '\n';
        f->state = rx_start(&g->rx.backward, at_end ? '\n' : *byte_at(g, f->back_from));
    }
    size_t first = SIZE_MAX;
    size_t n = rx_backward(&g->rx.backward, &f->state, byte_at(g, least), (size_t)(f->back_from - least), fuel, &first);
    if (first != SIZE_MAX) f->first = (size_t)(least + first - f->line);
    f->back_from -= n;
    if (f->back_from > least) return TAKEN_MORE;
    uint8_t left = least == f->line ? '\n' : least > f->base ? *byte_at(g, least - 1) : 'x';
    *fuel += GREP_PIECE;
    first = SIZE_MAX;
    (void)rx_backward(&g->rx.backward, &f->state, &left, 1, fuel, &first);
    if (first != SIZE_MAX) f->first = (size_t)(least - f->line);
    f->column = f->first != SIZE_MAX ? f->first : f->hit - f->line;
    f->scan = SCAN_SHOW;
    return TAKEN_MORE;
}

static enum taken after_match(struct grep *g) {
    struct grep_file *f = &g->file;
    f->scan = f->cut ? SCAN_SKIP : SCAN_LOOK;
    f->at = f->cut || f->end == filled(g) ? f->end : f->end + 1;
    f->line = f->cut ? f->line : f->at;
    f->state = 0;
    f->streaming = by_itself(g);
    return !f->cut && f->at == filled(g) ? need_more(g) : TAKEN_MORE;
}

/* To the end of a line whose end was too far away. */
static enum taken skip(struct grep *g) {
    struct grep_file *f = &g->file;
    const uint8_t *stop = memchr(byte_at(g, f->at), '\n', (size_t)(filled(g) - f->at));
    f->at = stop == NULL ? filled(g) : f->base + (uint64_t)(stop - g->bytes) + 1;
    if (stop == NULL && !f->eof) { /* the buffer is dropped: nothing of this line is needed */
        f->base = f->at;
        f->n = 0;
        f->base_whole = false;
        ssize_t got = pread(f->fd, g->bytes, GREP_READ, (off_t)f->base);
        f->n = got > 0 ? (size_t)got : 0;
        f->eof = f->n < GREP_READ;
        return TAKEN_MORE;
    }
    f->number++; /* grep_show_match counted up to the line that ends here */
    f->line = f->counted = f->shown = f->at;
    f->cut = false;
    f->scan = SCAN_LOOK;
    return f->at == filled(g) ? need_more(g) : TAKEN_MORE;
}

static enum taken show(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    if (g->full) return TAKEN_PAGE_OVER; /* the next page begins with this line */
    if (f->count == 0) {
        if (!f->settled) return TAKEN_WAIT;
        (void)job_settle(j, &f->st);
    }
    f->count++;
    if (g->mode == GREP_NAMES) return TAKEN_FILE_OVER;
    if (g->mode == GREP_LINES_MODE) {
        if (!f->told) grep_tell_file(j, g, 0);
        grep_show_match(j, g);
        g->matched++;
        g->full = g->matched >= g->matches || g->text >= g->text_bytes;
    }
    return after_match(g);
}

static enum taken on(struct job *j, struct grep *g) {
    uint64_t fuel = GREP_PIECE;
    switch (g->file.scan) {
    case SCAN_FILL: return fill(j, g);
    case SCAN_LOOK: return look(g, &fuel);
    case SCAN_LINE: return line_end(g);
    case SCAN_COLUMN: return go_back(g, &fuel);
    case SCAN_SHOW: return show(j, g);
    default: return skip(g);
    }
}

enum taken grep_take(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    enum taken t = on(j, g);
    bool between = f->scan == SCAN_FILL || f->scan == SCAN_LOOK;
    if (t == TAKEN_FILE_OVER) grep_show_after(j, g, filled(g));
    else if (t == TAKEN_PAGE_OVER || (g->full && between)) grep_show_after(j, g, f->line);
    return t == TAKEN_MORE && g->full && between && f->after_left == 0 ? TAKEN_PAGE_OVER : t;
}
