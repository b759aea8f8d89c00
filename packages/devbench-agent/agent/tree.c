/* A command's tree is what descends from its keeper. When its keeper was killed, its processes are the agent's own
 * children: the strays, which are whatever descends from the agent but from no keeper and no helper. */
#include "tree.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "job.h"
#include "keepers.h"
#include "listing.h"
#include "util.h"

#define HOPS_MAX 256
#define FIELD_BEGAN 21 /* counted from 0 behind the number, as proc(5) counts from 1 */
#define STATUS_BYTES 4096

enum mark { UNKNOWN, INSIDE, OUTSIDE };

struct process {
    pid_t pid, parent;
    uint64_t began; /* in ticks since the system's start */
    char state;
    uint8_t mark;
};

struct table {
    struct process *all;
    size_t n;
};

static int proc_fd = -1;

bool tree_init(void) {
    proc_fd = open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return proc_fd >= 0;
}

static bool read_process(pid_t pid, struct process *p) {
    char name[32];
    char text[512];
    (void)snprintf(name, sizeof name, "%d/stat", (int)pid);
    int fd = openat(proc_fd, name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return false;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n <= 0) return false;
    text[n] = 0;
    /* The name may hold anything, also parentheses: what follows the last one counts. */
    const char *after = strrchr(text, ')');
    if (after == NULL || after[1] != ' ' || after[2] == 0 || after[3] != ' ') return false;
    *p = (struct process){.pid = pid, .parent = (pid_t)strtol(after + 4, NULL, 10), .state = after[2]};
    const char *at = after + 1;
    for (int field = 2; field < FIELD_BEGAN && at != NULL; field++) at = strchr(at + 1, ' ');
    if (at != NULL) p->began = strtoull(at, NULL, 10);
    return true;
}

static pid_t number_of(const char *name) {
    pid_t v = 0;
    for (; *name >= '0' && *name <= '9'; name++) {
        if (v > 99999999) return 0;
        v = v * 10 + (*name - '0');
    }
    return *name == 0 ? v : 0;
}

static int by_pid(const void *a, const void *b) {
    const struct process *x = a;
    const struct process *y = b;
    return (x->pid > y->pid) - (x->pid < y->pid);
}

static void add_listed(struct table *t, struct listing *l) {
    const char *name;
    while ((name = listing_next(l)) != NULL) {
        pid_t pid = number_of(name);
        if (pid > 0 && t->n < PROCESSES_MAX && read_process(pid, &t->all[t->n])) t->n++;
    }
}

static bool table_read(struct table *t) {
    struct listing l;
    t->n = 0;
    t->all = private_map(PROCESSES_MAX * sizeof *t->all);
    if (t->all == NULL || proc_fd < 0 || lseek(proc_fd, 0, SEEK_SET) < 0) return false;
    while (listing_read(&l, proc_fd) && l.n > 0) add_listed(t, &l);
    for (size_t i = 1; i < t->n; i++)
        if (t->all[i - 1].pid > t->all[i].pid) {
            qsort(t->all, t->n, sizeof *t->all, by_pid);
            break;
        }
    return true;
}

static void table_free(struct table *t) {
    private_unmap(t->all, PROCESSES_MAX * sizeof *t->all);
    t->all = NULL;
    t->n = 0;
}

static struct process *find(const struct table *t, pid_t pid) {
    const struct process key = {.pid = pid};
    return t->n == 0 ? NULL : bsearch(&key, t->all, t->n, sizeof *t->all, by_pid);
}

/* Walk up to a process whose mark is known, or to the root, and give that mark to all on the way. The root itself may
 * be missing in the table: some ways to mount /proc hide what is not dumpable. */
static void mark_chain(const struct table *t, struct process *p, pid_t root) {
    struct process *at = p;
    size_t hops = 0;
    bool below = false;
    while (at != NULL && at->mark == UNKNOWN && !below && hops++ <= t->n) {
        below = at->parent == root;
        at = find(t, at->parent);
    }
    uint8_t answer = below || (at != NULL && at->mark == INSIDE) ? INSIDE : OUTSIDE;
    for (at = p; at != NULL && at->mark == UNKNOWN; at = find(t, at->parent)) at->mark = answer;
}

static void mark_root(const struct table *t, pid_t pid, enum mark mark) {
    struct process *p = pid > 0 ? find(t, pid) : NULL;
    if (p != NULL) p->mark = (uint8_t)mark;
}

/* What an agent of another user left when it was killed came to PID 1: no stray of ours, and not ours to end. */
static void mark_foreigners(const struct table *t, pid_t root) {
    for (size_t i = 0; i < t->n; i++)
        if (t->all[i].parent == root && kill(t->all[i].pid, 0) != 0 && errno == EPERM) t->all[i].mark = OUTSIDE;
}

static void mark_all(const struct table *t, const struct command *x) {
    pid_t root = x->keeper;
    if (x->keeper_lost) {
        root = getpid();
        for (size_t i = 0; i < commands_top; i++)
            if (commands[i].state != 0 && !commands[i].keeper_lost) mark_root(t, commands[i].keeper, OUTSIDE);
        for (size_t i = 0; i < KEEPERS_SPARE; i++) mark_root(t, keepers_at(i), OUTSIDE);
        for (size_t i = 0; i < JOBS_MAX; i++) mark_root(t, job_helper(i), OUTSIDE);
        mark_foreigners(t, root);
    }
    if (root <= 0) return;
    mark_root(t, root, OUTSIDE); /* beneath it, not itself */
    for (size_t i = 0; i < t->n; i++) mark_chain(t, &t->all[i], root);
}

static bool alive(const struct process *p) { return p->mark == INSIDE && p->state != 'Z' && p->state != 'X'; }

static bool look(struct table *t, const struct command *x) {
    bool read = table_read(t);
    if (read) mark_all(t, x);
    return read;
}

/* Errors are not looked at: a process that is gone needs no signal, and one of another user is counted again. */
static void signal_all(const struct table *t, int number) {
    for (size_t i = 0; i < t->n; i++)
        if (alive(&t->all[i])) (void)kill(t->all[i].pid, number);
}

/* A line of /proc/PID/status that holds a set of signals; none when the process is gone. */
static uint64_t signal_set(pid_t pid, const char *name) {
    char text[STATUS_BYTES];
    (void)snprintf(text, sizeof text, "%d/status", (int)pid);
    int fd = openat(proc_fd, text, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n <= 0) return 0;
    text[n] = 0;
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 16);
}

/* A shell without job control starts its background jobs with both of these ignored. */
static bool is_background(pid_t pid) {
    const uint64_t both = 1u << (SIGINT - 1) | 1u << (SIGQUIT - 1);
    return (signal_set(pid, "SigIgn:") & both) == both;
}

static bool is_of_run(const struct command *x, const struct process *p, int number, bool jobs) {
    if (p->pid == x->leader) return (signal_set(p->pid, "SigCgt:") >> (number - 1) & 1) != 0;
    return p->began >= x->side_ticks && (jobs || !is_background(p->pid));
}

static void signal_run(const struct command *x, int number, bool jobs) {
    struct table t;
    bool read = look(&t, x);
    for (size_t i = 0; read && i < t.n; i++)
        if (alive(&t.all[i]) && is_of_run(x, &t.all[i], number, jobs)) (void)kill(t.all[i].pid, number);
    table_free(&t);
}

void tree_signal(const struct command *x, int number, enum tree_scope scope) {
    struct table t;
    if (scope == TREE_ALL) {
        if (look(&t, x)) signal_all(&t, number);
        table_free(&t);
    } else if (scope > TREE_LEADER) {
        signal_run(x, number, scope == TREE_RUN_JOBS);
    } else if (x->leader > 0) {
        (void)kill(scope == TREE_GROUP ? -x->leader : x->leader, number);
    }
}

unsigned tree_count(const struct command *x) {
    struct table t;
    unsigned n = 0;
    if (look(&t, x))
        for (size_t i = 0; i < t.n; i++) n += alive(&t.all[i]);
    table_free(&t);
    return n;
}

static unsigned stop_running(const struct table *t) {
    unsigned n = 0;
    for (size_t i = 0; i < t->n; i++) {
        if (!alive(&t->all[i]) || t->all[i].state == 'T' || t->all[i].state == 't') continue;
        (void)kill(t->all[i].pid, SIGSTOP);
        n++;
    }
    return n;
}

unsigned tree_kill(const struct command *x) {
    struct table t = {NULL, 0};
    unsigned found = 0;
    /* Who is stopped cannot fork: a storm freezes round by round, and then dies at once. */
    for (int round = 0; round < STOP_ROUNDS; round++) {
        table_free(&t);
        if (!look(&t, x)) break;
        found = 0;
        for (size_t i = 0; i < t.n; i++) found += alive(&t.all[i]);
        if (found <= 1 || stop_running(&t) == 0) break;
    }
    signal_all(&t, SIGKILL);
    if (t.all == NULL && x->leader > 0 && !x->leader_ended) (void)kill(-x->leader, SIGKILL); /* no /proc */
    table_free(&t);
    return found;
}

bool tree_is_inside(pid_t pid) {
    pid_t self = getpid();
    struct process p;
    for (int hop = 0; hop < HOPS_MAX; hop++) {
        if (pid == self && hop > 0) return true;
        if (pid <= 0 || pid == self) return false;
        if (!read_process(pid, &p)) return true;
        pid = p.parent;
    }
    return true;
}
