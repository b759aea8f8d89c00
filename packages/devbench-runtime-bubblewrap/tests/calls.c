/* Makes system calls that the filter judges, and prints "name errno" for each: 0 when it was let through. */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void say(const char *name, long result) { printf("%s %d\n", name, result < 0 ? errno : 0); }

static void clone_with(const char *name, unsigned long flags) {
    long pid = syscall(SYS_clone, flags | SIGCHLD, 0, 0, 0, 0);
    if (pid == 0) _exit(0);
    say(name, pid);
    if (pid > 0) waitpid((pid_t)pid, 0, 0);
}

int main(int argc, char **argv) {
    int pipe_ends[2];
    /* numbers to try come as arguments: NAME NUMBER ... */
    for (int i = 1; i + 1 < argc; i += 2) {
        errno = 0;
        say(argv[i], syscall(atol(argv[i + 1]), 0x7fffffffL, 0L, 0L, 0L, 0L, 0L));
    }
    clone_with("clone", 0);
    clone_with("clone-user", CLONE_NEWUSER);
    clone_with("clone-mount", CLONE_NEWNS);
    clone_with("clone-pid", CLONE_NEWPID);
    clone_with("clone-net", CLONE_NEWNET);
    clone_with("clone-cgroup", CLONE_NEWCGROUP);
    say("clone3", syscall(435, 0, 0));
    say("unknown", syscall(470, 0, 0));
    say("negative", syscall(-1));
#ifdef __x86_64__
    say("x32-getpid", syscall(0x40000000 + 39));
    long result;
    __asm__ volatile("int $0x80" : "=a"(result) : "a"(20L) : "memory"); /* getpid of the 32-bit convention */
    errno = (int)-result;
    say("int80-getpid", result < 0 ? -1 : 0);
#endif
    say("unix-socket", socket(AF_UNIX, SOCK_STREAM, 0));
    say("inet-socket", socket(AF_INET, SOCK_STREAM, 0));
    say("inet6-socket", socket(AF_INET6, SOCK_DGRAM, 0));
    say("alg-socket", socket(38, SOCK_SEQPACKET, 0));
    say("vsock-socket", socket(40, SOCK_STREAM, 0));
    say("tipc-socket", socket(30, SOCK_STREAM, 0));
    say("tiocsti", ioctl(0, 0x5412, "x"));
    say("tiocsti-high", (int)syscall(SYS_ioctl, 0, 0x100005412UL, "x"));
    say("tioclinux", ioctl(0, 0x541C, "x"));
    say("pipe", pipe(pipe_ends));
    return 0;
}
