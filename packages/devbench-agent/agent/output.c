#include "output.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "util.h"

#define READS_PER_TURN 4

static void on_readable(struct watch *w, uint32_t events) {
    (void)events;
    size_t at = (size_t)((char *)w - (char *)commands); /* which of the streams it is does not matter */
    output_settle(&commands[at / sizeof commands[0]]);
}

bool output_open(struct command *x, const int fds[STREAMS]) {
    bool fine = true;
    for (unsigned i = 0; i < STREAMS; i++) {
        x->out[i] = (struct watch){fds[i], 0, on_readable};
        x->drained[i] = fds[i] < 0; /* a terminal has one output, and few have a side stream */
        fine = (fds[i] < 0 || set_nonblocking(fds[i])) && fine;
    }
    return fine;
}

void output_free(struct command *x) {
    for (unsigned i = 0; i < STREAMS; i++) watch_close(&x->out[i]);
    spool_free(&x->spool);
}

static bool may_drop(const struct command *x) { return x->owner == NULL && (x->flags & S_DROP); }

static uint8_t *room_for(struct command *x, uint8_t stream, size_t *room) {
    uint8_t *to = spool_room(&x->spool, stream, room);
    while (to == NULL && may_drop(x) && x->spool.first < x->spool.next) {
        spool_drop_oldest(&x->spool);
        to = spool_room(&x->spool, stream, room);
    }
    return to;
}

static void stream_over(struct command *x, unsigned i) {
    watch_close(&x->out[i]);
    x->drained[i] = true;
}

static uint32_t waiting(const struct watch *w) {
    int n = 0;
    return w->fd >= 0 && ioctl(w->fd, FIONREAD, &n) == 0 && n > 0 ? (uint32_t)n : 0;
}

/* What is on the side stream now was written after everything that is found in the pipes a moment later, or had been read
 * from them before: so much of them goes first. Counting it, not reading until they are empty, lets no noise of a
 * background process hold a report up. */
static void see_report(struct command *x) {
    if (x->report_bytes > 0 || x->discarding) return;
    x->report_bytes = waiting(&x->out[SIDE]);
    if (x->report_bytes == 0) return;
    for (unsigned i = 0; i < SIDE; i++) x->before[i] = waiting(&x->out[i]);
}

static bool is_due_later(const struct command *x, unsigned i) {
    bool first = (x->before[0] > 0 && !x->drained[0]) || (x->before[1] > 0 && !x->drained[1]);
    return i == SIDE && x->report_bytes > 0 && first;
}

static void note_read(struct command *x, unsigned i, size_t n) {
    uint32_t *left = i == SIDE ? &x->report_bytes : &x->before[i];
    *left = n < *left ? *left - (uint32_t)n : 0;
}

/* The side stream is read only up to what was seen; beyond it this only looks whether it is over. */
static ssize_t get(struct command *x, unsigned i, uint8_t *to, size_t room) {
    if (i != SIDE || x->discarding) return read(x->out[i].fd, to, room);
    if (x->report_bytes > 0) return read(x->out[i].fd, to, room < x->report_bytes ? room : x->report_bytes);
    return recv(x->out[i].fd, to, 1, MSG_PEEK | MSG_DONTWAIT);
}

/* One read; false when this stream has nothing more to give now. */
static bool read_some(struct command *x, unsigned i, bool *full) {
    static uint8_t rubbish[4096];
    size_t room = sizeof rubbish;
    uint8_t stream = (uint8_t)(i + 1);
    uint8_t *to = x->discarding ? rubbish : room_for(x, stream, &room);
    if (to == NULL) {
        *full = true;
        return false;
    }
    bool looks = i == SIDE && !x->discarding && x->report_bytes == 0;
    ssize_t n = get(x, i, to, room);
    if (n < 0 && errno == EINTR) return true;
    if (n < 0 && errno == EAGAIN) {
        if (x->leader_ended) x->drained[i] = true;
        /* Somebody else may have read what was seen there: nothing of it can come any more. */
        if (i < SIDE) x->before[i] = 0;
        return false;
    }
    if (n <= 0) {
        stream_over(x, i);
        return false;
    }
    if (looks) return false; /* more came: its turn is the next one */
    if (x->discarding) return true;
    note_read(x, i, (size_t)n);
    spool_commit(&x->spool, stream, (size_t)n);
    x->urgent = x->urgent || i == SIDE;
    if (x->leader_ended) x->drained_bytes[i] += (uint64_t)n;
    if (x->drained_bytes[i] >= DRAIN_MAX) x->drained[i] = true;
    return !x->drained[i];
}

void output_settle(struct command *x) {
    see_report(x);
    for (unsigned i = 0; i < STREAMS; i++) {
        bool full = is_due_later(x, i);
        if (x->out[i].fd < 0) continue;
        if (x->drained[i] && !x->discarding) {
            if (!watch_want(&x->out[i], 0)) stream_over(x, i);
            continue;
        }
        for (int n = 0; n < READS_PER_TURN && !full && read_some(x, i, &full); n++) continue;
        if (x->out[i].fd < 0) continue;
        if (!watch_want(&x->out[i], full || (x->drained[i] && !x->discarding) ? 0 : EPOLLIN)) stream_over(x, i);
    }
}

void output_forget(struct command *x, uint64_t offset) {
    spool_forget(&x->spool, offset);
    if (!x->finished) output_settle(x);
}

static void send_gap(struct channel *c, struct command *x) {
    frame_begin(c, F_GAP, x->handle);
    put_u64(c, x->sent);
    put_u64(c, x->spool.first);
    frame_end(c);
    x->sent = x->spool.first;
}

static void send_run(struct channel *c, struct command *x) {
    uint8_t stream;
    size_t n;
    const uint8_t *p = spool_peek(&x->spool, x->sent, &stream, &n);
    if (n > x->limit - x->sent) n = (size_t)(x->limit - x->sent);
    if (n > DATA_MAX) n = DATA_MAX;
    frame_begin(c, F_OUTPUT, x->handle);
    put_u64(c, x->sent);
    put_u8(c, stream);
    put_raw(c, p, n);
    frame_end(c);
    x->sent += n;
}

static bool can_send(const struct command *x) { return x->sent < x->spool.next && x->sent < x->limit; }

/* The first output after a rest goes at once. What follows so soon is gathered into a whole block: a program that writes
 * without a pause writes small pieces, and each frame costs the host more than a thousand bytes do. */
static bool waits(const struct command *x, uint64_t now) {
    bool part = x->spool.next / SPOOL_BLOCK == x->sent / SPOOL_BLOCK;
    return part && now < x->gather_until && !x->urgent && !x->finished;
}

bool output_send(struct channel *c, struct command *x, uint64_t now) {
    uint64_t before = x->sent;
    while (channel_has_room(c)) {
        if (x->sent < x->spool.first) send_gap(c, x);
        else if (can_send(x) && !waits(x, now)) send_run(c, x);
        else break;
    }
    if (x->sent > before) x->gather_until = now + GATHER_MS * NS_PER_MS;
    if (x->sent == x->spool.next) x->urgent = false;
    return x->sent == x->spool.next && channel_has_room(c);
}

uint64_t output_due(const struct command *x, uint64_t now) {
    return can_send(x) && waits(x, now) ? x->gather_until : NEVER;
}

bool output_drained(const struct command *x) { return x->drained[0] && x->drained[1] && x->drained[SIDE]; }

void output_give_up(struct command *x) {
    for (unsigned i = 0; i < STREAMS; i++) x->drained[i] = true;
}

void output_discard_rest(struct command *x) {
    x->discarding = true;
    if (x->empty || (x->flags & S_TTY)) {
        /* Nobody of the tree is left: whoever else holds the pipes is not ours to serve. A terminal is hung up. */
        for (unsigned i = 0; i < STREAMS; i++) watch_close(&x->out[i]);
    }
    output_settle(x);
}
