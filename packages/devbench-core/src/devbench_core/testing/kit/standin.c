/* PID 1 for tests of endings: listens where the agent does, says DVBA first, echoes, and on 'x' exits with 7, on 'm'
   eats memory until it is killed, on 'h' stops listening to TERM. */
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static void quit(int number) { (void)number; _exit(0); }

static void obey(char order) {
    if (order == 'x') _exit(7);
    if (order == 'h') signal(SIGTERM, SIG_IGN);
    while (order == 'm') {
        char *piece = malloc(1 << 20);
        if (piece) memset(piece, 1, 1 << 20);
    }
}

int main(int argc, char **argv) {
    struct pollfd fds[16] = {{0}};
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int count = 1;
    if (argc > 1 && !strcmp(argv[1], "connect")) { /* the bridge: standard streams to the socket */
        strncpy(address.sun_path, argv[3], sizeof address.sun_path - 1);
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, sizeof address)) return 1;
        struct pollfd both[2] = {{.fd = 0, .events = POLLIN}, {.fd = fd, .events = POLLIN}};
        char data[4096];
        while (poll(both, 2, -1) > 0)
            for (int i = 0; i < 2; i++)
                if (both[i].revents) {
                    ssize_t got = read(both[i].fd, data, sizeof data);
                    if (got <= 0 || write(i ? 1 : fd, data, (size_t)got) != got) return 0;
                }
    }
    signal(SIGTERM, quit);
    signal(SIGPIPE, SIG_IGN);
    fds[0] = (struct pollfd){.fd = socket(AF_UNIX, SOCK_STREAM, 0), .events = POLLIN};
    for (int i = 1; i < argc; i++) {
        if (!strcmp(argv[i], "--socket") && i + 1 < argc) strncpy(address.sun_path, argv[i + 1], sizeof address.sun_path - 1);
        if (!strcmp(argv[i], "--stdio")) {
            fds[count++] = (struct pollfd){.fd = 0, .events = POLLIN};
            if (write(1, "DVBA", 4) != 4) return 1;
        }
    }
    unlink(address.sun_path);
    if (bind(fds[0].fd, (struct sockaddr *)&address, sizeof address) || listen(fds[0].fd, 8)) return 1;
    for (;;) {
        poll(fds, (nfds_t)count, -1);
        if (fds[0].revents && count < 16) {
            int peer = accept(fds[0].fd, 0, 0);
            if (peer >= 0) {
                fds[count++] = (struct pollfd){.fd = peer, .events = POLLIN};
                (void)!write(peer, "DVBA", 4);
            }
        }
        for (int i = 1; i < count; i++) {
            char data[4096];
            if (!fds[i].revents) continue;
            ssize_t got = read(fds[i].fd, data, sizeof data);
            if (got <= 0) {
                fds[i].fd = -1;
                continue;
            }
            for (ssize_t each = 0; each < got; each++) obey(data[each]);
            (void)!write(fds[i].fd == 0 ? 1 : fds[i].fd, data, (size_t)got);
        }
    }
}
