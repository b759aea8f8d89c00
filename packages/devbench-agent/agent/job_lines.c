/* READ_LINES: where lines lie is found here, so that only what was asked for travels. */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "job.h"
#include "reading.h"
#include "resolve.h"
#include "util.h"

enum { LINES_OPEN, LINES_FORWARD, LINES_BACKWARD, LINES_NUMBER, LINES_TELL, LINES_SEND };
enum { LITTLE, BIG, BY_MARK };

#define PIECE 32768u

struct lines {
    int64_t first;
    uint64_t count;    /* lines still to send */
    uint64_t seen;     /* line ends passed while looking */
    uint64_t at;       /* how far the looking has come */
    uint64_t number;   /* of the line at `offset`, 0: not counted */
    uint8_t width, order;
    bool whole;        /* everything asked for was sent */
};

bool lines_parse(struct job *j, struct rd *r) {
    bool parsed = job_path(j, r);
    j->map_bytes = sizeof(struct lines);
    struct lines *l = j->map = private_map(j->map_bytes);
    if (l == NULL) {
        j->stage = UINT32_MAX;
        return parsed;
    }
    l->first = (int64_t)rd_u64(r);
    l->count = rd_u64(r);
    j->size = rd_u64(r);
    j->limit = rd_u64(r);
    l->width = rd_u8(r);
    l->order = rd_u8(r);
    return parsed && !r->bad;
}

static bool is_end(const struct lines *l, const uint8_t *p) {
    if (p[l->order == BIG ? l->width - 1u : 0] != '\n') return false; /* nearly always */
    unsigned zeros = 0;
    for (unsigned i = 0; i < l->width; i++) zeros += p[i] == 0;
    return zeros == l->width - 1u;
}

/* Bytes up to and with the first line end of n, 0 without one. */
static size_t next_end(const struct lines *l, const uint8_t *p, size_t n) {
    if (l->width == 1) {
        const uint8_t *found = memchr(p, '\n', n);
        return found == NULL ? 0 : (size_t)(found - p) + 1;
    }
    for (size_t i = 0; i + l->width <= n; i += l->width)
        if (is_end(l, p + i)) return i + l->width;
    return 0;
}

/* Where the last line end of n begins, n without one. */
static size_t last_end(const struct lines *l, const uint8_t *p, size_t n) {
    if (l->width == 1) {
        const uint8_t *found = memrchr(p, '\n', n);
        return found == NULL ? n : (size_t)(found - p);
    }
    for (size_t i = n; i >= l->width; i -= l->width)
        if (is_end(l, p + i - l->width)) return i - l->width;
    return n;
}

static int order_by_mark(struct job *j, struct lines *l) {
    static const uint8_t big[4] = {0, 0, 0xFE, 0xFF};
    uint8_t mark[4];
    ssize_t got = pread(j->fd, mark, l->width, 0);
    if (got < 0) return -1;
    l->order = got == l->width && memcmp(mark, big + 4 - l->width, l->width) == 0 ? BIG : LITTLE;
    return 0;
}

static enum step begin(struct job *j, struct lines *l) {
    bool wide = l->width == 2 || l->width == 4;
    if ((l->width != 1 && !wide) || l->order > BY_MARK || l->first == 0 || l->first == INT64_MIN) return job_fail(j, EINVAL);
    bool whole_units = (j->size == UINT64_MAX || j->size % l->width == 0) && j->limit % l->width == 0;
    if (wide && !whole_units) return job_fail(j, EINVAL);
    if (j->fd < 0) j->fd = resolve_file(j->path, &j->st);
    else if (fstat(j->fd, &j->st) != 0) return job_fail(j, errno);
    if (j->fd < 0) return job_fail(j, errno);
    if (!job_settle(j, &j->st)) return STEP_WAIT;
    if (l->order == BY_MARK && order_by_mark(j, l) != 0) return job_fail(j, errno);
    frame_begin(j->channel, F_READ_META, j->request);
    put_stat(j, &j->st, -1, "");
    frame_end(j->channel);
    l->at = l->first > 0 ? 0 : (uint64_t)j->st.st_size - (uint64_t)j->st.st_size % l->width;
    j->stage = l->first > 0 ? LINES_FORWARD : LINES_BACKWARD;
    return STEP_MORE;
}

/* Past `ends` line ends, or to `stop`; whether that is done. -1: failed. */
static int pass(struct job *j, struct lines *l, uint64_t ends, uint64_t stop) {
    uint8_t bytes[PIECE];
    for (size_t budget = SCAN_STEP; l->seen < ends && l->at < stop; ) {
        if (budget == 0) return 0;
        size_t n = stop - l->at < PIECE ? (size_t)(stop - l->at) : PIECE;
        ssize_t got = pread(j->fd, bytes, n, (off_t)l->at);
        if (got < 0) return -1;
        if (got == 0) return 1; /* it was cut meanwhile, which the end of the reply tells */
        size_t used = 0;
        while (l->seen < ends && used < (size_t)got) {
            size_t to = next_end(l, bytes + used, (size_t)got - used);
            l->seen += to > 0;
            used = to > 0 ? used + to : (size_t)got;
        }
        l->at += used;
        budget -= budget < PIECE ? budget : PIECE;
    }
    return 1;
}

static bool ends_with_end(struct job *j, const struct lines *l, uint64_t size) {
    uint8_t last[4];
    return size >= l->width && pread(j->fd, last, l->width, (off_t)(size - l->width)) == l->width && is_end(l, last);
}

static enum step forward(struct job *j, struct lines *l) {
    uint64_t size = (uint64_t)j->st.st_size;
    int done = pass(j, l, (uint64_t)l->first - 1, size);
    if (done < 0) return job_fail(j, errno);
    if (done == 0) return STEP_MORE;
    j->offset = l->at;
    l->number = l->seen + 1;
    /* Beyond the last line: the number is that of the lines there are, and one. */
    if (l->at >= size && l->seen < (uint64_t)l->first - 1 && size > 0 && !ends_with_end(j, l, size)) l->number++;
    j->stage = LINES_TELL;
    return STEP_MORE;
}

static enum step backward(struct job *j, struct lines *l) {
    uint8_t bytes[PIECE];
    uint64_t wanted = (uint64_t)-l->first;
    uint64_t size = (uint64_t)j->st.st_size;
    if (l->at + l->width > size && ends_with_end(j, l, l->at)) l->at -= l->width; /* the last line's own end */
    for (size_t budget = SCAN_STEP; l->at > 0; budget -= PIECE) {
        if (budget == 0) return STEP_MORE;
        size_t n = l->at < PIECE ? (size_t)l->at : PIECE;
        ssize_t got = pread(j->fd, bytes, n, (off_t)(l->at - n));
        if (got < 0) return job_fail(j, errno);
        if ((size_t)got < n) break; /* it was cut meanwhile */
        size_t left = n;
        for (size_t end; (end = last_end(l, bytes, left)) < left; left = end) {
            if (++l->seen < wanted) continue;
            j->offset = l->at - n + end + l->width;
            l->at = 0;
            l->seen = 0;
            j->stage = LINES_NUMBER;
            return STEP_MORE;
        }
        l->at -= n;
    }
    l->at = l->seen = 0;
    j->offset = 0;
    j->stage = LINES_NUMBER;
    return STEP_MORE;
}

static enum step count_before(struct job *j, struct lines *l) {
    if (j->offset <= LINES_COUNT_MAX) {
        int done = pass(j, l, UINT64_MAX, j->offset);
        if (done < 0) return job_fail(j, errno);
        if (done == 0) return STEP_MORE;
        l->number = l->seen + 1;
    }
    j->stage = LINES_TELL;
    return STEP_MORE;
}

static enum step tell(struct job *j, struct lines *l) {
    frame_begin(j->channel, F_LINES_AT, j->request);
    put_u64(j->channel, l->number);
    put_u64(j->channel, j->offset);
    put_u8(j->channel, l->order);
    frame_end(j->channel);
    j->stage = LINES_SEND;
    return STEP_MORE;
}

/* As much of n bytes as belongs to the lines that were asked for. */
static size_t wanted_of(struct lines *l, const uint8_t *p, size_t n) {
    size_t used = 0;
    while (used < n) {
        size_t to = next_end(l, p + used, n - used);
        if (to == 0) return n;
        used += to;
        if (l->count != UINT64_MAX && --l->count == 0) break;
    }
    return used;
}

static enum step send(struct job *j, struct lines *l) {
    uint64_t at = j->offset + j->done;
    bool over = j->done >= j->size || l->count == 0;
    if (over) return read_finish(j, false);
    if (j->done >= j->limit) return at >= (uint64_t)j->st.st_size ? read_finish(j, false) : STEP_WAIT;
    uint64_t left = j->size - j->done;
    uint64_t n = left < j->limit - j->done ? left : j->limit - j->done;
    if (n > DATA_MAX) n = DATA_MAX;
    frame_begin(j->channel, F_DATA, j->request);
    uint8_t *to = put_room(j->channel, (size_t)n);
    ssize_t got = to == NULL ? 0 : pread(j->fd, to, (size_t)n, (off_t)at);
    if (got <= 0) {
        int error = errno;
        frame_drop(j->channel);
        return got < 0 ? job_fail(j, error) : read_finish(j, true);
    }
    size_t used = wanted_of(l, to, (size_t)got);
    put_used(j->channel, used);
    frame_end(j->channel);
    j->done += used;
    return STEP_MORE;
}

enum step lines_step(struct job *j) {
    struct lines *l = j->map;
    switch (j->stage) {
    case LINES_OPEN: return begin(j, l);
    case LINES_FORWARD: return forward(j, l);
    case LINES_BACKWARD: return backward(j, l);
    case LINES_NUMBER: return count_before(j, l);
    case LINES_TELL: return tell(j, l);
    default: return send(j, l);
    }
}
