/* START: from a frame to a keeper. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "command.h"
#include "ending.h"
#include "keeper.h"
#include "output.h"
#include "process.h"
#include "resolve.h"
#include "stdin.h"
#include "util.h"

#ifdef FUZZING /* the fuzzer plays the keeper's part itself */
void fuzz_keep(const struct launch *l);
#define FORK() (fuzz_keep(&o->launch), 0x3ffffff)
#else
#define FORK() fork()
#endif

static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

extern char **environ;

/* Everything that the keeper needs, in one mapping that it inherits. */
struct order {
    void *map;
    size_t map_bytes;
    char *text; /* where the next string goes */
    char **pointers;
    uint32_t *table; /* environment by name: index + 1 */
    size_t table_mask;
    size_t env_count;
    struct str key;
    uint32_t flags, grace_ms, spool_bytes;
    uint64_t timeout_ms, window;
    struct launch launch;
};

static char *keep_text(struct order *o, struct str s) {
    char *to = o->text;
    memcpy(to, s.p, s.n);
    to[s.n] = 0;
    o->text += s.n + 1;
    return to;
}

static size_t inherited_count(const struct order *o) {
    size_t n = 0;
    if (o->flags & S_INHERIT)
        while (environ[n] != NULL) n++;
    return n;
}

static bool make_room(struct order *o, size_t text_bytes, size_t argc, size_t envc) {
    size_t all = envc + inherited_count(o);
    size_t table = 16;
    while (table < all * 2) table *= 2;
    size_t pointers = (argc + 1 + all + 1) * sizeof(char *);
    o->map_bytes = pointers + table * sizeof(uint32_t) + text_bytes;
    o->map = mmap(NULL, o->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (o->map == MAP_FAILED) {
        o->map = NULL;
        return false;
    }
    o->pointers = o->map;
    o->table = (uint32_t *)(void *)((char *)o->map + pointers);
    o->table_mask = table - 1;
    o->text = (char *)(o->table + table);
    return true;
}

static void drop_order(struct order *o) {
    if (o->map == NULL) return;
    wipe(o->map, o->map_bytes); /* arguments and environment may hold secrets */
    (void)munmap(o->map, o->map_bytes);
    o->map = NULL;
}

static size_t name_bytes(const char *entry) { return (size_t)(strchr(entry, '=') - entry); }

static bool same_name(const char *a, const char *b) {
    size_t n = name_bytes(a);
    return n == name_bytes(b) && memcmp(a, b, n) == 0;
}

static void set_variable(struct order *o, char *entry) {
    uint32_t h = 2166136261u;
    for (size_t i = 0, n = name_bytes(entry); i < n; i++) h = (h ^ (uint8_t)entry[i]) * 16777619u;
    for (size_t at = h & o->table_mask;; at = (at + 1) & o->table_mask) {
        uint32_t i = o->table[at];
        if (i != 0 && !same_name(o->launch.envp[i - 1], entry)) continue;
        if (i == 0) {
            o->launch.envp[o->env_count++] = entry;
            o->table[at] = (uint32_t)o->env_count;
        } else {
            o->launch.envp[i - 1] = entry;
        }
        return;
    }
}

static const char *variable(const struct order *o, const char *name) {
    size_t n = strlen(name);
    for (size_t i = 0; i < o->env_count; i++)
        if (strncmp(o->launch.envp[i], name, n) == 0 && o->launch.envp[i][n] == '=') return o->launch.envp[i] + n + 1;
    return NULL;
}

enum parsed { PARSED, PARSE_MALFORMED, PARSE_INVALID, PARSE_NO_MEMORY };

static enum parsed parse_arguments(struct order *o, struct rd *r, uint32_t argc) {
    o->launch.argv = o->pointers;
    for (uint32_t i = 0; i < argc; i++) {
        struct str s = rd_str(r, PAYLOAD_START);
        if (r->bad) return PARSE_MALFORMED;
        o->launch.argv[i] = keep_text(o, s);
    }
    o->launch.argv[argc] = NULL;
    return o->launch.argv[0][0] == 0 ? PARSE_INVALID : PARSED;
}

static enum parsed parse_environment(struct order *o, struct rd *r, uint32_t argc, uint32_t envc) {
    enum parsed answer = PARSED;
    o->launch.envp = o->pointers + argc + 1;
    for (size_t i = 0, n = inherited_count(o); i < n; i++)
        if (strchr(environ[i], '=') != NULL) set_variable(o, environ[i]);
    for (uint32_t i = 0; i < envc; i++) {
        struct str s = rd_str(r, PAYLOAD_START);
        if (r->bad) return PARSE_MALFORMED;
        char *entry = keep_text(o, s);
        if (entry[0] == '=' || strchr(entry, '=') == NULL) answer = PARSE_INVALID;
        else set_variable(o, entry);
    }
    o->launch.envp[o->env_count] = NULL;
    const char *path = variable(o, "PATH");
    o->launch.path = path != NULL ? path : DEFAULT_PATH;
    return answer;
}

static void parse_numbers(struct order *o, struct rd *r) {
    o->key = rd_str(r, KEY_MAX);
    o->flags = rd_u32(r);
    o->timeout_ms = rd_u64(r);
    o->grace_ms = rd_u32(r);
    o->spool_bytes = rd_u32(r);
    o->window = rd_u64(r);
    o->launch.nofile = rd_u64(r);
    o->launch.core = rd_u64(r);
    o->launch.nice = (int)(int32_t)rd_u32(r);
}

/* Where the second count stands is only known after the arguments; skip through a copy of the cursor. */
static uint32_t peek_count(struct rd r, uint32_t skip) {
    for (uint32_t i = 0; i < skip && !r.bad; i++) (void)rd_str(&r, PAYLOAD_START);
    return rd_u32(&r);
}

static enum parsed parse(struct order *o, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    parse_numbers(o, &r);
    struct str cwd = rd_str(&r, CWD_MAX);
    uint32_t argc = rd_u32(&r);
    if (r.bad || argc < 1 || argc > ARGS_MAX) return PARSE_MALFORMED;
    uint32_t envc = peek_count(r, argc);
    if (envc > ARGS_MAX) return PARSE_MALFORMED;
    /* Each string's length field leaves room for its NUL. */
    if (!make_room(o, f->n + CWD_MAX + 1u, argc, envc)) return PARSE_NO_MEMORY;
    o->launch.cwd = keep_text(o, cwd);
    enum parsed answer = parse_arguments(o, &r, argc);
    if (answer == PARSE_MALFORMED) return answer;
    if (rd_u32(&r) != envc) return PARSE_MALFORMED;
    enum parsed environment = parse_environment(o, &r, argc, envc);
    if (environment == PARSE_MALFORMED || !rd_done(&r)) return PARSE_MALFORMED;
    bool odd = (o->flags & ~(uint32_t)S_ALL) != 0 || o->launch.nice < -20 || o->launch.nice > 19;
    return odd ? PARSE_INVALID : answer != PARSED ? answer : environment;
}

struct pipes {
    int input[2], output[2], errors[2], control[2];
};

static void close_pipes(struct pipes *p) {
    int *all[] = {p->input, p->output, p->errors, p->control};
    for (size_t i = 0; i < COUNT(all); i++) {
        all[i][0] = close_fd(all[i][0]);
        all[i][1] = close_fd(all[i][1]);
    }
}

static bool open_pipes(struct pipes *p, bool input) {
    *p = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}, {-1, -1}};
    if (!input) p->input[0] = open("/dev/null", O_RDONLY | O_CLOEXEC);
    /* Without a /dev/null an input whose writer is gone serves as well. */
    if (p->input[0] < 0 && pipe2(p->input, O_CLOEXEC) != 0) return false;
    if (!input) p->input[1] = close_fd(p->input[1]);
    bool fine = pipe2(p->output, O_CLOEXEC) == 0 && pipe2(p->errors, O_CLOEXEC) == 0 &&
                socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, p->control) == 0;
    int *all[] = {p->input, p->output, p->errors, p->control};
    for (size_t i = 0; i < COUNT(all); i++) {
        note_fd(all[i][0]);
        note_fd(all[i][1]);
    }
    return fine;
}

static void take_ends(struct command *x, struct pipes *p, bool *fine) {
    int outputs[2] = {p->output[0], p->errors[0]};
    *fine = stdin_open(x, p->input[1]);
    *fine = output_open(x, outputs) && *fine;
    p->input[1] = p->output[0] = p->errors[0] = -1;
}

static int fork_keeper(struct order *o, const struct pipes *p) {
    o->launch.input = p->input[0];
    o->launch.output = p->output[1];
    o->launch.errors = p->errors[1];
    o->launch.control = p->control[1];
    o->launch.workspace = resolve_root();
    o->launch.nofile_before = process_nofile_before();
    process_oom_raise();
    pid_t pid = FORK();
    int error = errno;
    if (pid == 0) keeper_main(&o->launch);
    process_oom_restore();
    errno = error;
    return pid;
}

static void not_started(struct command *x, int error) {
    x->failure = X_NO_RESOURCES;
    x->failure_errno = (uint32_t)error;
    x->failure_message = "the agent has no descriptors, memory or processes left";
    x->empty = x->leader_ended = x->finished = x->due_ending = true;
    x->drained[0] = x->drained[1] = true;
    x->ended_ns = now_ns();
    x->state = ST_ENDED;
    stdin_close(x);
}

static void fill_in(struct command *x, struct channel *c, const struct frame *f, const struct order *o) {
    uint32_t spool = o->spool_bytes == 0 ? SPOOL_DEFAULT : o->spool_bytes;
    *x = (struct command){.state = ST_RUNNING, .handle = f->id, .flags = o->flags, .owner = c};
    x->control.fd = x->out[0].fd = x->out[1].fd = x->input.fd = -1;
    memcpy(x->key, o->key.p, o->key.n);
    x->began_ns = now_ns();
    /* A timeout beyond a century is none. */
    bool timed = o->timeout_ms != 0 && o->timeout_ms < UINT64_MAX / NS_PER_MS / 4;
    x->timeout_at = timed ? x->began_ns + o->timeout_ms * NS_PER_MS : NEVER;
    x->grace_ms = o->grace_ms;
    x->limit = o->window;
    spool_init(&x->spool, spool < SPOOL_MIN ? SPOOL_MIN : spool > SPOOL_MAX ? SPOOL_MAX : spool);
}

static void run(struct command *x, struct order *o) {
    struct pipes p;
    bool fine = open_pipes(&p, (o->flags & S_STDIN) != 0);
    int error = errno;
    if (fine) take_ends(x, &p, &fine);
    else x->input_closed = true;
    if (fine) {
        x->keeper = fork_keeper(o, &p);
        fine = x->keeper > 0;
        error = errno;
    }
    if (fine) {
        ending_watch(x, p.control[0]);
        p.control[0] = -1;
        output_settle(x);
    } else {
        x->keeper = 0;
        watch_close(&x->out[0]);
        watch_close(&x->out[1]);
        not_started(x, error);
    }
    close_pipes(&p);
}

void command_start(struct channel *c, const struct frame *f) {
    struct order o = {.map = NULL};
    enum parsed answer = parse(&o, f);
    struct command *x = NULL;
    if (answer == PARSE_MALFORMED) channel_error(c, E_MALFORMED, "START does not parse");
    else if (answer == PARSE_INVALID) channel_refuse(c, f, R_INVALID, "a value of START is out of its range");
    else if (process_stopping()) channel_refuse(c, f, R_SHUTDOWN, "the agent is shutting down");
    else if (command_find(f->id) != NULL) channel_refuse(c, f, R_EXISTS, "the handle is in use");
    else if (answer == PARSE_NO_MEMORY || commands_count().running >= EXECS_LIVE_MAX ||
             (x = command_free_slot()) == NULL)
        channel_refuse(c, f, R_TOO_MANY, "too many commands");
    if (x != NULL) {
        command_note_handle(f->id);
        fill_in(x, c, f, &o);
        run(x, &o);
    }
    drop_order(&o);
}
