#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "launch.h"
#include "limits.h"
#include "order.h"
#include "process.h"
#include "util.h"

#define BLOCK_BYTES 512u /* what getrusage counts in */

enum { FD_CONTROL = 3, FD_WORKSPACE = 4, FD_SIDE = 5, FD_FIRST_FREE = 6, FD_ABOVE = 16 };

/* Bring the descriptors to their places, whatever their numbers are now. */
static bool arrange(const struct launch *l) {
    int from[] = {l->input, l->output, l->errors, l->control, l->workspace, l->side};
    for (size_t i = 0; i < COUNT(from); i++) {
        if (from[i] < 0) continue;
        from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, FD_ABOVE);
        if (from[i] < 0) return false;
    }
    for (size_t i = 0; i < COUNT(from); i++) {
        bool mine = i >= FD_CONTROL; /* never the command's */
        if (from[i] < 0) (void)close((int)i);
        else if (dup2(from[i], (int)i) < 0 || (mine && fcntl((int)i, F_SETFD, FD_CLOEXEC) != 0)) return false;
    }
    close_from(FD_FIRST_FREE);
    return true;
}

static void send_report(int fd, const struct report *r) {
    while (send(fd, r, sizeof *r, MSG_NOSIGNAL) < 0 && errno == EINTR) continue;
}

static uint64_t micros(const struct timeval *t) { return (uint64_t)t->tv_sec * 1000000u + (uint64_t)t->tv_usec; }

/* What wait4 says of a child holds what that child had waited for itself, so the sum is the whole tree's. */
static void add_usage(struct usage *u, const struct rusage *r) {
    uint64_t rss = (uint64_t)r->ru_maxrss * 1024u;
    u->user_us += micros(&r->ru_utime);
    u->system_us += micros(&r->ru_stime);
    if (rss > u->rss_bytes) u->rss_bytes = rss;
    u->voluntary += (uint64_t)r->ru_nvcsw;
    u->involuntary += (uint64_t)r->ru_nivcsw;
    u->read_bytes += (uint64_t)r->ru_inblock * BLOCK_BYTES;
    u->written_bytes += (uint64_t)r->ru_oublock * BLOCK_BYTES;
}

static void report_failure(enum launch_stage stage, int error) {
    struct report r = {.kind = K_FAILED, .stage = stage, .error = error, .empty = 1, .at_ns = now_ns()};
    send_report(FD_CONTROL, &r);
}

_Noreturn static void give_up(int control, int error) {
    struct report r = {.kind = K_FAILED, .stage = STAGE_FORK, .error = error, .empty = 1, .leaves = 1, .at_ns = now_ns()};
    send_report(control, &r);
    _exit(0);
}

static pid_t start(const struct launch *order, int side) {
    struct launch moved = *order;
    moved.workspace = order->workspace < 0 ? -1 : FD_WORKSPACE;
    moved.side = side;
    volatile struct launch_fault fault = {STAGE_NONE, 0};
    /* vfork: this returns when the program runs or could not be run, and costs no copy of the page tables. */
    pid_t pid = vfork();
    if (pid == 0) {
        launch_exec(&moved, &fault);
        _exit(127);
    }
    int error = errno;
    for (int fd = 0; fd < FD_CONTROL; fd++) (void)close(fd);
    (void)close_fd(side);
    if (pid > 0 && fault.stage == STAGE_NONE) return pid;
    while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
    if (pid < 0) report_failure(STAGE_FORK, error);
    else report_failure(fault.stage, fault.error);
    return 0;
}

/* Wait for every descendant; an empty answer is the kernel's proof that none is left. */
static void keep(pid_t leader) {
    struct report r = {.kind = K_EMPTY, .empty = 1};
    for (;;) {
        int status;
        struct rusage usage;
        pid_t pid = wait4(-1, &status, 0, &usage);
        if (pid < 0 && errno == EINTR) continue;
        if (pid < 0) break;
        add_usage(&r.usage, &usage);
        if (pid != leader) continue;
        struct report end = {.kind = K_ENDED, .pid = pid, .status = status, .at_ns = now_ns(), .usage = r.usage};
        siginfo_t info;
        end.empty = waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 && errno == ECHILD;
        send_report(FD_CONTROL, &end);
        if (end.empty) return;
    }
    r.at_ns = now_ns();
    send_report(FD_CONTROL, &r);
}

static void serve(const struct launch *l, int side) {
    struct report r = {.kind = K_STARTED, .at_ns = now_ns()};
    r.pid = start(l, side);
    if (r.pid == 0) return;
    send_report(FD_CONTROL, &r);
    keep(r.pid);
}

bool keeper_hand_over(int control, const uint8_t *payload, uint32_t n, const int fds[HANDED_FDS]) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(HANDED_FDS * sizeof(int))];
    } extra = {0};
    struct iovec part = {.iov_base = (void *)(uintptr_t)payload, .iov_len = n};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = extra.room, .msg_controllen = sizeof extra.room};
    bool side = fds[HANDED_FDS - 1] >= 0;
    if (n > HANDED_OVER_MAX) return false;
    extra.header = (struct cmsghdr){.cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
    extra.header.cmsg_len = side ? CMSG_LEN(HANDED_FDS * sizeof(int)) : CMSG_LEN((HANDED_FDS - 1) * sizeof(int));
    m.msg_controllen = side ? CMSG_SPACE(HANDED_FDS * sizeof(int)) : CMSG_SPACE((HANDED_FDS - 1) * sizeof(int));
    memcpy(CMSG_DATA(&extra.header), fds, (side ? HANDED_FDS : HANDED_FDS - 1) * sizeof(int));
    return sendmsg(control, &m, MSG_NOSIGNAL | MSG_DONTWAIT) == (ssize_t)n;
}

/* The next START; its descriptors take the free numbers, which are the command's own: 0, 1 and 2. A fourth is that of
 * the side stream, and takes whatever is free. */
static ssize_t next_order(uint8_t *into, size_t room, int *side) {
    union {
        struct cmsghdr header;
        char room[CMSG_SPACE(HANDED_FDS * sizeof(int))];
    } extra = {0};
    struct iovec part = {.iov_base = into, .iov_len = room};
    struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = extra.room, .msg_controllen = sizeof extra.room};
    static const int wanted[3] = {0, 1, 2};
    ssize_t n;
    do n = recvmsg(FD_CONTROL, &m, 0);
    while (n < 0 && errno == EINTR);
    bool more = extra.header.cmsg_len == CMSG_LEN(HANDED_FDS * sizeof(int));
    if (n <= 0 || (m.msg_flags & (MSG_CTRUNC | MSG_TRUNC))) return 0;
    if (!more && extra.header.cmsg_len != CMSG_LEN(sizeof wanted)) return 0;
    *side = -1;
    if (more) memcpy(side, (uint8_t *)CMSG_DATA(&extra.header) + sizeof wanted, sizeof *side);
    if (more && fcntl(*side, F_SETFD, FD_CLOEXEC) != 0) return 0;
    return memcmp(CMSG_DATA(&extra.header), wanted, sizeof wanted) == 0 ? n : 0;
}

_Noreturn static void serve_more(int workspace) {
    static uint8_t payload[HANDED_OVER_MAX];
    ssize_t n;
    int side;
    while ((n = next_order(payload, sizeof payload, &side)) > 0) {
        struct frame f = {.payload = payload, .n = (uint32_t)n};
        struct order o = {.map = NULL};
        enum parsed answer = order_parse(&o, &f);
        wipe(payload, (size_t)n);
        o.launch.workspace = workspace;
        o.launch.nofile_before = process_nofile_before();
        if (answer != PARSED) give_up(FD_CONTROL, ENOMEM); /* the agent has parsed it: only memory can be missing */
        serve(&o.launch, side);
        order_drop(&o);
    }
    _exit(0);
}

_Noreturn void keeper_main(struct order *first) {
    int workspace = first->launch.workspace < 0 ? -1 : FD_WORKSPACE;
    if (!arrange(&first->launch)) give_up(first->launch.control, EMFILE);
    /* Without the agent nobody would ask for what is kept. */
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
    (void)prctl(PR_SET_NAME, "devbench-keeper", 0, 0, 0);
    (void)setpgid(0, 0);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0) give_up(FD_CONTROL, errno);
    serve(&first->launch, first->launch.side < 0 ? -1 : FD_SIDE);
    order_drop(first);
    serve_more(workspace);
}
