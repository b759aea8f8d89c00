#include "stdin.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "terminal.h"
#include "util.h"

static struct command *of(struct watch *w) {
    return (struct command *)(void *)((char *)w - offsetof(struct command, input));
}

void stdin_close(struct command *x) {
    watch_close(&x->input);
    if (x->input_closed) return;
    x->input_closed = true;
    x->due_credit = true;
}

/* Before a terminal's input is closed its end is typed; false when that must wait. */
static bool type_end(struct command *x) {
    uint8_t keys[TERMINAL_END_MAX];
    if (x->terminal < 0) return true;
    uint8_t last = x->input_done > 0 ? x->input_bytes[(x->input_done - 1) % STDIN_WINDOW] : '\n';
    size_t n = terminal_end(x->terminal, last != '\n' && last != '\r', keys);
    ssize_t done;
    do done = write(x->input.fd, keys, n);
    while (done < 0 && errno == EINTR);
    return done >= 0 || errno != EAGAIN; /* one of two was enough to wake the reader: there is room for the other */
}

static void drain(struct command *x) {
    while (x->input_done < x->input_got) {
        size_t at = (size_t)(x->input_done % STDIN_WINDOW);
        uint64_t left = x->input_got - x->input_done;
        size_t n = left < STDIN_WINDOW - at ? (size_t)left : STDIN_WINDOW - at;
        ssize_t done = write(x->input.fd, x->input_bytes + at, n);
        if (done < 0 && errno == EINTR) continue;
        if (done < 0 && errno == EAGAIN) return;
        if (done <= 0) {
            stdin_close(x); /* the command closed it */
            return;
        }
        x->input_done += (uint64_t)done;
    }
    if (x->input_ended && x->input_got == x->input_end && type_end(x)) stdin_close(x);
}

static void settle(struct command *x) {
    if (x->input.fd < 0) return;
    drain(x);
    if (x->input.fd < 0) return;
    /* Credit goes out in halves of the window, not for every byte. */
    if (x->input_done + STDIN_WINDOW >= x->input_limit + STDIN_WINDOW / 2) {
        x->input_limit = x->input_done + STDIN_WINDOW;
        x->due_credit = true;
    }
    bool waiting = x->input_done < x->input_got || x->input_ended; /* for the pipe, or to type the end */
    if (!watch_want(&x->input, waiting ? EPOLLOUT : 0)) stdin_close(x);
}

static void on_writable(struct watch *w, uint32_t events) {
    (void)events;
    settle(of(w));
}

bool stdin_open(struct command *x, int fd) {
    x->input = (struct watch){fd, 0, on_writable};
    x->input_limit = STDIN_WINDOW;
    if (fd < 0) {
        x->input_closed = true;
        return true;
    }
    x->input_bytes = private_map(STDIN_WINDOW);
    return x->input_bytes != NULL && set_nonblocking(fd);
}

void stdin_free(struct command *x) {
    watch_close(&x->input);
    private_unmap(x->input_bytes, STDIN_WINDOW);
    x->input_bytes = NULL;
}

void stdin_send_credit(struct channel *c, struct command *x) {
    x->due_credit = false;
    frame_begin(c, F_STDIN_CREDIT, x->handle);
    put_u64(c, x->input_limit);
    put_u8(c, x->input_closed);
    frame_end(c);
}

static void store(struct command *x, const uint8_t *p, size_t n) {
    for (size_t done = 0; done < n;) {
        size_t at = (size_t)((x->input_got + done) % STDIN_WINDOW);
        size_t part = n - done < STDIN_WINDOW - at ? n - done : STDIN_WINDOW - at;
        memcpy(x->input_bytes + at, p + done, part);
        done += part;
    }
}

static bool owned(struct channel *c, const struct frame *f, const struct command *x) {
    if (x->owner == c) return true;
    channel_refuse(c, f, R_NOT_OWNER, "another channel owns this exec");
    return false;
}

void command_stdin(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint64_t offset = rd_u64(&r);
    if (r.bad || r.n > DATA_MAX) {
        channel_error(c, E_MALFORMED, "STDIN does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL || !owned(c, f, x)) return;
    if (offset > x->input_got || (x->input_ended && offset + r.n > x->input_end)) {
        if (!(x->flags & S_STDIN)) return;
        channel_error(c, E_MALFORMED, "STDIN leaves a hole or goes on after its end");
        return;
    }
    uint64_t skip = x->input_got - offset;
    if (skip >= r.n) return;
    uint64_t fresh = r.n - skip;
    if (fresh > x->input_limit - x->input_got && !x->input_closed) {
        channel_error(c, E_MALFORMED, "STDIN goes beyond its credit");
        return;
    }
    if (!x->input_closed) store(x, r.p + skip, (size_t)fresh);
    x->input_got += fresh;
    settle(x);
}

void command_stdin_eof(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint64_t offset = rd_u64(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "STDIN_EOF does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL || !owned(c, f, x) || x->input_closed) return;
    if (offset != x->input_got) {
        channel_error(c, E_MALFORMED, "STDIN_EOF is not where the input ends");
        return;
    }
    x->input_ended = true;
    x->input_end = offset;
    settle(x);
}
