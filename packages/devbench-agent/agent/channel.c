#include "channel.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <unistd.h>

#include "auth.h"
#include "command.h"
#include "dispatch.h"
#include "job.h"
#include "util.h"

#define PUMP_ROUNDS 8
#define CLOSE_MS 1000 /* what is queued when a channel ends may take this long to be read */

struct channel channels[CHANNEL_SLOTS];

bool channel_has_room(const struct channel *c) {
    return c->state != CH_FREE && !c->broken && c->out_end - c->out_start < OUT_HIGH;
}

/* ---- building frames ---- */

uint8_t *put_room(struct channel *c, size_t n) {
    if (c->broken || c->out_bytes == NULL) return NULL;
    if (OUT_BYTES - c->out_end < n && c->out_start > 0) {
        memmove(c->out_bytes, c->out_bytes + c->out_start, c->out_end - c->out_start);
        c->frame_at -= c->out_start;
        c->out_end -= c->out_start;
        c->out_start = 0;
    }
    if (OUT_BYTES - c->out_end < n) {
        c->broken = true; /* cannot happen while OUT_HIGH is respected; never overflow all the same */
        return NULL;
    }
    return c->out_bytes + c->out_end;
}

void put_used(struct channel *c, size_t n) {
    if (!c->broken) c->out_end += n;
}

void put_raw(struct channel *c, const void *p, size_t n) {
    uint8_t *to = put_room(c, n);
    if (to == NULL || n == 0) return;
    memcpy(to, p, n);
    put_used(c, n);
}

static void put_int(struct channel *c, uint64_t v, unsigned n) {
    uint8_t b[8];
    for (unsigned i = 0; i < n; i++) b[i] = (uint8_t)(v >> (8 * (n - 1 - i)));
    put_raw(c, b, n);
}

void put_u8(struct channel *c, uint8_t v) { put_int(c, v, 1); }
void put_u16(struct channel *c, uint16_t v) { put_int(c, v, 2); }
void put_u32(struct channel *c, uint32_t v) { put_int(c, v, 4); }
void put_u64(struct channel *c, uint64_t v) { put_int(c, v, 8); }

void put_str(struct channel *c, const char *s) {
    size_t n = strlen(s);
    put_u32(c, (uint32_t)n);
    put_raw(c, s, n);
}

void frame_begin(struct channel *c, enum frame_type type, uint32_t id) {
    if (put_room(c, HEADER_BYTES) == NULL) return;
    c->frame_at = c->out_end;
    put_u32(c, 0);
    put_u8(c, (uint8_t)type);
    put_u8(c, 0);
    put_u32(c, id);
}

void frame_end(struct channel *c) {
    if (c->broken || c->out_bytes == NULL) return;
    uint32_t n = (uint32_t)(c->out_end - c->frame_at - HEADER_BYTES);
    for (unsigned i = 0; i < 4; i++) c->out_bytes[c->frame_at + i] = (uint8_t)(n >> (24 - 8 * i));
}

void frame_drop(struct channel *c) {
    if (!c->broken) c->out_end = c->frame_at;
}

/* ---- life ---- */

static void on_ready(struct watch *w, uint32_t events) {
    /* All work happens in channels_run; a hang-up nobody reads from must still be seen. */
    (void)w;
    (void)events;
}

static void release(struct channel *c) {
    watch_close(&c->in);
    watch_close(&c->out);
    private_unmap(c->in_bytes, IN_BYTES);
    private_unmap(c->out_bytes, OUT_BYTES);
    wipe(c->nonce, sizeof c->nonce);
    *c = (struct channel){.in.fd = -1, .out.fd = -1};
}

static bool prepare(struct channel *c) {
    c->in_bytes = private_map(IN_BYTES);
    c->out_bytes = private_map(OUT_BYTES);
    return c->in_bytes != NULL && c->out_bytes != NULL && set_nonblocking(c->in.fd) && set_nonblocking(c->out.fd) &&
           random_fill(c->nonce, sizeof c->nonce) && watch_want(&c->in, EPOLLIN);
}

struct channel *channel_open(int in, int out, bool stdio) {
    struct channel *c = NULL;
    for (size_t i = 0; i < COUNT(channels) && c == NULL; i++)
        if (channels[i].state == CH_FREE) c = &channels[i];
    if (c == NULL) {
        (void)close_fd(in);
        (void)close_fd(out);
        return NULL;
    }
    *c = (struct channel){.in = {in, 0, on_ready}, .out = {out, 0, on_ready}, .state = CH_PENDING, .stdio = stdio};
    c->since = now_ns();
    if (!prepare(c)) {
        release(c);
        return NULL;
    }
    auth_hello(c);
    return c;
}

void channel_end(struct channel *c) {
    if (c->state == CH_FREE || c->state == CH_CLOSING) return;
    commands_detach(c);
    jobs_abort(c);
    c->state = CH_CLOSING;
    c->close_by = now_ns() + CLOSE_MS * NS_PER_MS;
    c->in_used = 0;
}

void channel_error(struct channel *c, enum error_code code, const char *message) {
    if (c->state == CH_FREE || c->state == CH_CLOSING) return;
    frame_begin(c, F_ERROR, 0);
    put_u16(c, (uint16_t)code);
    put_str(c, message);
    frame_end(c);
    channel_end(c);
}

void channel_goodbye(struct channel *c, enum goodbye reason, const char *message) {
    if (c->state == CH_FREE || c->state == CH_CLOSING) return;
    frame_begin(c, F_GOODBYE, 0);
    put_u16(c, (uint16_t)reason);
    put_str(c, message);
    frame_end(c);
    channel_end(c);
}

void channel_refuse(struct channel *c, const struct frame *f, enum refusal code, const char *message) {
    frame_begin(c, F_REFUSED, f->id);
    put_u8(c, f->type);
    put_u16(c, (uint16_t)code);
    put_str(c, message);
    frame_end(c);
}

/* ---- moving bytes ---- */

static void flush(struct channel *c) {
    while (c->out_start < c->out_end) {
        ssize_t n = write(c->out.fd, c->out_bytes + c->out_start, c->out_end - c->out_start);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 && errno != EAGAIN) c->broken = true;
        if (n <= 0) return;
        c->out_start += (size_t)n;
    }
    c->out_start = c->out_end = 0;
}

static bool fill(struct channel *c) {
    if (c->ended || c->in_used == IN_BYTES || !channel_has_room(c)) return false;
    size_t room = IN_BYTES - c->in_used;
    /* Before authentication nothing can make the agent hold more than one small frame. */
    if (c->state == CH_PENDING && room > PAYLOAD_EARLY + HEADER_BYTES) room = PAYLOAD_EARLY + HEADER_BYTES;
    ssize_t n = read(c->in.fd, c->in_bytes + c->in_used, room > IN_KEEP ? IN_KEEP : room);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) return false;
    if (n <= 0) {
        c->ended = true;
        return false;
    }
    c->in_used += (size_t)n;
    if (c->in_used > c->in_high) c->in_high = c->in_used;
    return true;
}

static uint32_t largest(const struct channel *c, uint8_t type) {
    if (c->state == CH_PENDING) return PAYLOAD_EARLY;
    return type == F_START ? PAYLOAD_START : PAYLOAD_MAX;
}

/* One frame at the buffer's position; 0 when it is not complete yet (or the channel ended over it). */
static size_t take_frame(struct channel *c, size_t at) {
    struct rd r = {c->in_bytes + at, c->in_used - at, false};
    struct frame f = {0};
    f.n = rd_u32(&r);
    f.type = rd_u8(&r);
    uint8_t flags = rd_u8(&r);
    f.id = rd_u32(&r);
    if (r.bad) return 0;
    if (flags != 0) {
        channel_error(c, E_MALFORMED, "the frame's flags are not 0");
        return 0;
    }
    if (f.n > largest(c, f.type)) {
        channel_error(c, E_LARGE, "the frame's payload is above its limit");
        return 0;
    }
    f.payload = rd_raw(&r, f.n);
    if (r.bad) return 0;
    dispatch(c, &f);
    return HEADER_BYTES + f.n;
}

static bool parse(struct channel *c) {
    size_t at = 0;
    size_t used = 1;
    while (used > 0 && channel_has_room(c) && (c->state == CH_PENDING || c->state == CH_OPEN)) {
        used = take_frame(c, at);
        at += used;
    }
    if (c->state != CH_PENDING && c->state != CH_OPEN) return false;
    memmove(c->in_bytes, c->in_bytes + at, c->in_used - at);
    c->in_used -= at;
    if (c->in_used <= IN_KEEP && c->in_high > IN_KEEP) {
        /* A large START's pages go back. */
        (void)madvise(c->in_bytes + IN_KEEP, IN_BYTES - IN_KEEP, MADV_DONTNEED);
        c->in_high = IN_KEEP;
    }
    return at > 0;
}

/* Whether there is more to send at once: each round fills at most OUT_HIGH. */
static bool pump_out(struct channel *c) {
    for (int round = 0; round < PUMP_ROUNDS; round++) {
        if (c->state == CH_OPEN) commands_pump(c);
        if (c->out_start == c->out_end) return false;
        flush(c);
        if (c->broken || c->out_start < c->out_end) return false;
    }
    return true;
}

static void settle_events(struct channel *c) {
    bool reading = !c->ended && c->state != CH_CLOSING && channel_has_room(c);
    bool writing = c->out_start < c->out_end;
    /* While it is not read from, something waits to be written, and that tells a hang-up. */
    bool fine = watch_want(&c->in, reading ? EPOLLIN : 0) && watch_want(&c->out, writing ? EPOLLOUT : 0);
    if (!fine) c->broken = true;
}

static uint64_t run_one(struct channel *c, uint64_t now) {
    uint64_t deadline = c->since + AUTH_SECONDS * NS_PER_S;
    bool timed = c->state == CH_PENDING && !c->stdio;
    bool more = false;
    bool stuck = !channel_has_room(c); /* frames may then wait in the buffer, which no event announces */
    if (c->state == CH_PENDING || c->state == CH_OPEN) {
        bool filled = fill(c);
        more = parse(c) || filled;
    }
    if (timed && c->state == CH_PENDING && now >= deadline) channel_error(c, E_SLOW, "no AUTH within 10 s");
    more = pump_out(c) || stuck || more;
    bool drained = c->out_start == c->out_end;
    if (c->ended && !more && c->state != CH_CLOSING) channel_end(c);
    if (c->broken) channel_end(c);
    if (c->state == CH_CLOSING && (drained || c->broken || now >= c->close_by)) {
        release(c);
        return NEVER;
    }
    settle_events(c);
    if (c->broken) return now;
    if (more && channel_has_room(c)) return now;
    if (c->state == CH_CLOSING) return c->close_by;
    return timed ? deadline : NEVER;
}

uint64_t channels_run(uint64_t now) {
    uint64_t next = NEVER;
    for (size_t i = 0; i < COUNT(channels); i++) {
        if (channels[i].state == CH_FREE) continue;
        uint64_t at = run_one(&channels[i], now);
        if (at < next) next = at;
    }
    return next;
}
