#include "side.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "command.h"
#include "util.h"

#define SIDE_BUFFER (4 * (int)DATA_MAX) /* what the kernel counts beside the bytes fits too */

/* A socket and no pipe: nobody can open it anew through /proc. */
bool side_open(int pair[2]) {
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) != 0) return false;
    int room = SIDE_BUFFER;
    (void)setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room); /* the usual size nearly always does */
    return true;
}

static uint64_t ticks_now(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_BOOTTIME, &t) != 0) return 0;
    uint64_t hz = (uint64_t)sysconf(_SC_CLK_TCK);
    return (uint64_t)t.tv_sec * hz + (uint64_t)t.tv_nsec * hz / NS_PER_S;
}

/* Nothing of it waits in the agent, so one piece may be on its way at a time. */
static bool deliver(struct command *x, const uint8_t *p, size_t n) {
    int waiting = 0;
    int fd = x->out[SIDE].fd;
    if (ioctl(fd, TIOCOUTQ, &waiting) != 0 || waiting > 0) return false;
    x->side_ticks = ticks_now();
    ssize_t done;
    do done = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    while (done < 0 && errno == EINTR);
    if (done != (ssize_t)n && done > 0) (void)shutdown(fd, SHUT_WR); /* half a piece is worse than the end */
    if (done != (ssize_t)n) return false;
    x->side_got += n;
    return true;
}

void command_side_input(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint64_t offset = rd_u64(&r);
    if (r.bad || r.n < 1 || r.n > DATA_MAX) {
        channel_error(c, E_MALFORMED, "SIDE_INPUT does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL) return;
    if (x->owner != c) channel_refuse(c, f, R_NOT_OWNER, "another channel owns this exec");
    else if (!(x->flags & S_SIDE)) channel_refuse(c, f, R_INVALID, "this exec has no side stream");
    else if (offset > x->side_got) channel_refuse(c, f, R_INVALID, "SIDE_INPUT leaves a hole");
    else if (offset < x->side_got && r.n <= x->side_got - offset) return; /* a repetition */
    else if (offset < x->side_got) channel_refuse(c, f, R_INVALID, "SIDE_INPUT repeats a part");
    else if (x->out[SIDE].fd < 0)
        channel_refuse(c, f, R_TOO_MANY, "the leader has closed its end"); /* or ended: then nobody minds */
    else if (!deliver(x, r.p, r.n))
        channel_refuse(c, f, R_TOO_MANY, "the leader has not read what came before");
}
