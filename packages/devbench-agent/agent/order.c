#include "order.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "limits.h"

static const char DEFAULT_PATH[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

extern char **environ;

/* Of the usual ones, of which there is one at a time; all zero in between. */
_Alignas(16) static uint8_t scratch[ORDER_SMALL];

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
    if (o->map_bytes <= sizeof scratch) {
        o->map = scratch;
    } else {
        o->map = mmap(NULL, o->map_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        if (o->map == MAP_FAILED) {
            o->map = NULL;
            return false;
        }
    }
    o->pointers = o->map;
    o->table = (uint32_t *)(void *)((char *)o->map + pointers);
    o->table_mask = table - 1;
    o->text = (char *)(o->table + table);
    return true;
}

void order_drop(struct order *o) {
    if (o->map == NULL) return;
    wipe(o->map, o->map_bytes);
    if (o->map != scratch) (void)munmap(o->map, o->map_bytes);
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
    o->size.columns = rd_u16(r);
    o->size.rows = rd_u16(r);
    o->launch.terminal = (o->flags & S_TTY) != 0;
}

/* A terminal has a size and an input, and nothing else has a size. */
static bool fits_terminal(const struct order *o) {
    if (!(o->flags & S_TTY)) return o->size.columns == 0 && o->size.rows == 0;
    return o->size.columns != 0 && o->size.rows != 0 && (o->flags & (S_STDIN | S_SIDE)) == S_STDIN;
}

/* Where the second count stands is only known after the arguments; skip through a copy of the cursor. */
static uint32_t peek_count(struct rd r, uint32_t skip) {
    for (uint32_t i = 0; i < skip && !r.bad; i++) (void)rd_str(&r, PAYLOAD_START);
    return rd_u32(&r);
}

enum parsed order_parse(struct order *o, const struct frame *f) {
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
    odd = odd || !fits_terminal(o);
    return odd ? PARSE_INVALID : answer != PARSED ? answer : environment;
}
