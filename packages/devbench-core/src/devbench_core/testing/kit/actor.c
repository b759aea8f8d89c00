/* What commands of tests do, where a shell's word for it would not be exact. */
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define LONGEST_S 600 /* whatever becomes of a test, nothing of it stays for ever */
#define HOPS_IN_HASTE 100
#define HOP_US 5000

static void stay(void) {
    for (unsigned left = LONGEST_S; left;) left = sleep(left);
    _exit(0);
}

/* Ends by a signal: neither ignored nor blocked, and without a core. */
static void die(int number) {
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(number, SIG_DFL);
    kill(getpid(), number);
    stay();
}

/* A process that is always another one: who kills what it has seen kills the past. After its first hops it goes on
 * without haste, and it ends with whoever takes its orphans, which is the agent: what nobody buries as fast as it dies
 * fills the table of processes of the whole machine, where nothing bounds a container's. */
static void hop(void) {
    pid_t reaper = 0;
    for (int hops = 0;; hops++) {
        if (hops > HOPS_IN_HASTE) usleep(HOP_US);
        pid_t me = getpid(), child = fork();
        if (child > 0) _exit(0);
        if (child < 0) { usleep(1000); continue; }
        while (getppid() == me) sched_yield();
        if (reaper && getppid() != reaper) _exit(0);
        reaper = getppid();
    }
}

static void detach(void) {
    if (fork()) _exit(0);
    setsid();
    if (fork()) _exit(0);
    stay();
}

/* As many as the limits of the container let live, and then again and again. */
static void storm(int most) {
    for (int made = 0; made < most;) {
        pid_t child = fork();
        if (child == 0) stay();
        if (child > 0) made++; else usleep(1000);
    }
    stay();
}

int main(int argc, char **argv) {
    const char *act = argc > 1 ? argv[1] : "";
    int number = argc > 2 ? atoi(argv[2]) : 0;
    if (!strcmp(act, "argv")) {
        for (int i = 2; i < argc; i++) if (fwrite(argv[i], strlen(argv[i]) + 1, 1, stdout) != 1) return 1;
        return fflush(stdout) != 0;
    }
    if (!strcmp(act, "env")) {
        char *value = getenv(argv[2]);
        if (!value) return 3;
        fputs(value, stdout);
        return fflush(stdout) != 0;
    }
    if (!strcmp(act, "die")) die(number);
    if (!strcmp(act, "exit")) return number;
    if (!strcmp(act, "nice")) return getpriority(PRIO_PROCESS, 0);
    if (!strcmp(act, "files")) { /* the first descriptor that it does not get */
        int last = 2;
        for (int fd; (fd = open("/dev/null", O_RDONLY)) >= 0;) last = fd;
        printf("%d\n", last + 1);
        return fflush(stdout) != 0;
    }
    if (!strcmp(act, "ready")) { /* says so once what is to be ended is there */
        if (!strcmp(argv[2], "deaf")) signal(SIGTERM, SIG_IGN);
        if (!strcmp(argv[2], "detached") && !fork()) detach();
        if (!strcmp(argv[2], "session") && !fork()) { setsid(); stay(); }
        if (!strcmp(argv[2], "deaf-child") && !fork()) { signal(SIGTERM, SIG_IGN); setsid(); stay(); }
        for (int i = 0; i < 8 && !strcmp(argv[2], "hopping"); i++) if (!fork()) hop();
        if (!strcmp(argv[2], "storm") && !fork()) storm(60);
        if (!strcmp(argv[2], "stopped-child")) {
            pid_t child = fork();
            if (!child) stay();
            kill(child, SIGSTOP);
        }
        if (write(1, "ready\n", 6) != 6) return 1;
        if (!strcmp(argv[2], "stopped")) kill(getpid(), SIGSTOP);
        stay();
    }
    return 99;
}
