#include "listen.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "channel.h"
#include "loop.h"
#include "tree.h"
#include "util.h"

#define ACCEPTS_PER_TURN 16
#define BACKLOG 64
#define FRESH ".new"

static struct watch listener = {.fd = -1};
static struct sockaddr_un address = {.sun_family = AF_UNIX};
static struct stat made;
static uint64_t look_at;

static bool may_connect(int fd) {
    struct ucred peer;
    socklen_t n = sizeof peer;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &n) != 0) return false;
    /* 0 is a process that this PID namespace cannot see: the host's own. */
    return peer.pid == 0 || !tree_is_inside(peer.pid);
}

/* For what is refused before it is a channel: best effort, the socket's buffer is empty and takes it. */
static void refuse(int fd) {
    static const uint8_t frame[] = {0, 0, 0, 15, F_ERROR, 0, 0, 0, 0, 0, 0, E_FORBIDDEN, 0, 0, 0, 9,
                                    'f', 'o', 'r', 'b', 'i', 'd', 'd', 'e', 'n'};
    (void)send(fd, frame, sizeof frame, MSG_DONTWAIT | MSG_NOSIGNAL);
    (void)close_fd(fd);
}

/* One more would be too many: the one that has waited longest without saying who it is goes. */
static void make_room(void) {
    struct channel *oldest = NULL;
    unsigned pending = 0;
    for (size_t i = 0; i < COUNT(channels); i++) {
        struct channel *c = &channels[i];
        if (c->state != CH_PENDING || c->stdio) continue;
        pending++;
        if (oldest == NULL || c->since < oldest->since) oldest = c;
    }
    if (pending >= PENDING_MAX) channel_error(oldest, E_BUSY, "too many connections wait for authentication");
}

static void on_connection(struct watch *w, uint32_t events) {
    (void)events;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) return;
        if (!may_connect(fd)) {
            refuse(fd);
            continue;
        }
        make_room();
        int out = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        if (out < 0 || channel_open(fd, out, false) == NULL) {
            if (out < 0) (void)close_fd(fd);
        }
    }
}

static bool give_up(int fd) {
    int error = errno;
    (void)close_fd(fd);
    errno = error;
    return false;
}

/* No socket takes the place of a folder, and a full one cannot be removed in one call: it goes aside. */
static void move_folder_away(const char *path) {
    char aside[sizeof address.sun_path + 20];
    struct stat there;
    uint64_t some;
    if (lstat(path, &there) != 0 || !S_ISDIR(there.st_mode) || rmdir(path) == 0) return;
    if (!random_fill(&some, sizeof some)) return;
    (void)snprintf(aside, sizeof aside, "%s.%016llx", path, (unsigned long long)some);
    (void)rename(path, aside);
}

/* The folder is this user's, and so is whatever runs in the container: that can lock it, or put things in the way. What
 * cannot be mended shows in what follows. */
static void make_way(const char *fresh) {
    char folder[sizeof address.sun_path];
    memcpy(folder, address.sun_path, sizeof folder);
    char *end = strrchr(folder, '/');
    if (end != NULL && end != folder) {
        *end = 0;
        if (access(folder, W_OK | X_OK) != 0) (void)chmod(folder, 0700);
    }
    move_folder_away(fresh);
    move_folder_away(address.sun_path);
}

/* Bound beside its place and renamed when it listens, so that whoever sees it can connect. */
static bool bind_socket(void) {
    struct sockaddr_un fresh = address;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    memcpy(fresh.sun_path + strlen(fresh.sun_path), FRESH, sizeof FRESH);
    make_way(fresh.sun_path);
    if (unlink(fresh.sun_path) != 0 && errno != ENOENT) return give_up(fd);
    mode_t before = umask(0177);
    int bound = bind(fd, (const struct sockaddr *)&fresh, sizeof fresh);
    (void)umask(before);
    if (bound != 0 || listen(fd, BACKLOG) != 0 || stat(fresh.sun_path, &made) != 0) return give_up(fd);
    if (rename(fresh.sun_path, address.sun_path) != 0) return give_up(fd);
    watch_close(&listener);
    listener = (struct watch){fd, 0, on_connection};
    return watch_want(&listener, EPOLLIN);
}

bool listen_open(const char *path) {
    if (strlen(path) + sizeof FRESH > sizeof address.sun_path) {
        errno = ENAMETOOLONG;
        return false;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    look_at = now_ns() + SOCKET_CHECK_MS * NS_PER_MS;
    return bind_socket();
}

uint64_t listen_run(uint64_t now) {
    if (address.sun_path[0] == 0) return NEVER;
    if (now < look_at) return look_at;
    look_at = now + SOCKET_CHECK_MS * NS_PER_MS;
    struct stat there;
    bool same = lstat(address.sun_path, &there) == 0 && there.st_dev == made.st_dev && there.st_ino == made.st_ino;
    /* Somebody inside removed or replaced it. When it cannot be made anew now, the next look tries again. */
    if (!same || listener.fd < 0) (void)bind_socket();
    return look_at;
}

void listen_close(void) {
    watch_close(&listener);
    if (address.sun_path[0] != 0) (void)unlink(address.sun_path);
}
