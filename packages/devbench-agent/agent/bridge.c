#include "bridge.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "util.h"

#define CONNECT_TRIES 100
#define CONNECT_PAUSE_MS 20
#define PIPE_BYTES 65536u

struct flow {
    int from, to;
    bool over;
    size_t start, end;
    uint8_t *bytes;
};

static int complain(const char *what) {
    (void)fprintf(stderr, "devbench-agent connect: %s: %s\n", what, strerror(errno));
    return 1;
}

static int connect_once(const struct sockaddr_un *a) {
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)a, sizeof *a) == 0) return fd;
    int error = errno;
    (void)close_fd(fd);
    errno = error;
    return -1;
}

static int connect_to(const char *path) {
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof a.sun_path) {
        errno = ENAMETOOLONG;
        return -1;
    }
    memcpy(a.sun_path, path, strlen(path) + 1);
    for (int i = 0;; i++) {
        int fd = connect_once(&a);
        bool early = errno == ENOENT || errno == ECONNREFUSED || errno == EAGAIN;
        if (fd >= 0 || !early || i == CONNECT_TRIES) return fd;
        struct timespec pause = {0, CONNECT_PAUSE_MS * (long)NS_PER_MS};
        (void)nanosleep(&pause, NULL);
    }
}

/* The folder belongs to the container's user: only the kernel can say who listens. */
static bool is_peer(int fd, pid_t wanted) {
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) == 0 && peer.pid == wanted) return true;
    errno = EPERM;
    return false;
}

static void finish_flow(struct flow *f) {
    f->over = true;
    /* A socket is half-closed, so that the other direction can still be emptied; anything else is closed. */
    if (shutdown(f->to, SHUT_WR) != 0) (void)close(f->to);
}

static bool again(void) { return errno == EINTR || errno == EAGAIN; }

static bool move(struct flow *f) {
    if (f->start == f->end) {
        ssize_t n = read(f->from, f->bytes, PIPE_BYTES);
        if (n < 0) return again();
        if (n == 0) {
            finish_flow(f);
            return true;
        }
        f->start = 0;
        f->end = (size_t)n;
    }
    ssize_t n = write(f->to, f->bytes + f->start, f->end - f->start);
    if (n < 0) return again();
    f->start += (size_t)n;
    return true;
}

static void ask(struct pollfd *p, const struct flow *f) {
    bool full = f->start < f->end;
    p->fd = f->over ? -1 : full ? f->to : f->from;
    p->events = full ? POLLOUT : POLLIN;
    p->revents = 0;
}

static int carry(struct flow *up, struct flow *down) {
    /* Down is the agent's voice: when it is over, the channel is. */
    while (!down->over) {
        struct pollfd p[3];
        ask(&p[0], up);
        ask(&p[1], down);
        p[2] = (struct pollfd){.fd = down->to, .events = 0}; /* a reader that is gone is only seen here */
        if (poll(p, 3, -1) < 0 && errno != EINTR) return 1;
        if (p[2].revents & POLLERR) return 0;
        if (p[0].revents != 0 && !move(up)) return 0;
        if (p[1].revents != 0 && !move(down)) return 0;
    }
    return 0;
}

int bridge(const char *path, pid_t peer) {
    if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) return complain("prctl");
    if (signal(SIGPIPE, SIG_IGN) == SIG_ERR) return complain("signal");
    int fd = connect_to(path);
    if (fd < 0) return complain(path);
    if (!is_peer(fd, peer)) return complain("whoever listens is not the agent");
    /* Neither direction may wait for the other. */
    if (!set_nonblocking(fd) || !set_nonblocking(1)) return complain("fcntl");
    struct flow up = {.from = 0, .to = fd, .bytes = private_map(PIPE_BYTES)};
    struct flow down = {.from = fd, .to = 1, .bytes = private_map(PIPE_BYTES)};
    if (up.bytes == NULL || down.bytes == NULL) return complain("memory");
    return carry(&up, &down);
}
