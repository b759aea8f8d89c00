#include "output.h"

#include <errno.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "util.h"

#define READS_PER_TURN 4

static void on_readable(struct watch *w, uint32_t events) {
    (void)events;
    size_t at = (size_t)((char *)w - (char *)commands); /* which of the two it is does not matter */
    output_settle(&commands[at / sizeof commands[0]]);
}

bool output_open(struct command *x, const int fds[2]) {
    for (unsigned i = 0; i < 2; i++) {
        x->out[i] = (struct watch){fds[i], 0, on_readable};
        x->drained[i] = fds[i] < 0; /* a terminal has one output */
        if (fds[i] >= 0 && !set_nonblocking(fds[i])) return false;
    }
    return true;
}

void output_free(struct command *x) {
    watch_close(&x->out[0]);
    watch_close(&x->out[1]);
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
    ssize_t n = read(x->out[i].fd, to, room);
    if (n < 0 && errno == EINTR) return true;
    if (n < 0 && errno == EAGAIN) {
        if (x->leader_ended) x->drained[i] = true;
        return false;
    }
    if (n <= 0) {
        stream_over(x, i);
        return false;
    }
    if (x->discarding) return true;
    spool_commit(&x->spool, stream, (size_t)n);
    if (x->leader_ended) x->drained_bytes[i] += (uint64_t)n;
    if (x->drained_bytes[i] >= DRAIN_MAX) x->drained[i] = true;
    return !x->drained[i];
}

void output_settle(struct command *x) {
    for (unsigned i = 0; i < 2; i++) {
        bool full = false;
        if (x->out[i].fd < 0) continue;
        if (x->drained[i] && !x->discarding) {
            if (!watch_want(&x->out[i], 0)) stream_over(x, i);
            continue;
        }
        for (int n = 0; n < READS_PER_TURN && read_some(x, i, &full); n++) continue;
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

bool output_send(struct channel *c, struct command *x) {
    while (channel_has_room(c)) {
        if (x->sent < x->spool.first) send_gap(c, x);
        else if (x->sent < x->spool.next && x->sent < x->limit) send_run(c, x);
        else break;
    }
    return x->sent == x->spool.next && channel_has_room(c);
}

bool output_drained(const struct command *x) { return x->drained[0] && x->drained[1]; }

void output_discard_rest(struct command *x) {
    x->discarding = true;
    if (x->empty || (x->flags & S_TTY)) {
        /* Nobody of the tree is left: whoever else holds the pipes is not ours to serve. A terminal is hung up. */
        watch_close(&x->out[0]);
        watch_close(&x->out[1]);
    }
    output_settle(x);
}
