#include "ignore.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "util.h"

#define FILE_NAME ".gitignore"

static size_t trimmed(const char *s, size_t n) {
    while (n > 0 && s[n - 1] == ' ') {
        size_t quotes = 0;
        while (quotes + 1 < n && s[n - 2 - quotes] == '\\') quotes++;
        if (quotes % 2 == 1) break;
        n--;
    }
    return n;
}

static bool add_line(struct ignores *g, const char *s, size_t n) {
    if (n > 0 && s[n - 1] == '\r') n--;
    if (n == 0 || s[0] == '#') return true;
    n = trimmed(s, n);
    struct glob rule = {.negated = n > 0 && s[0] == '!'};
    rule.at = (uint32_t)(s - g->bytes) + rule.negated;
    n -= rule.negated;
    if (n == 0 || n > GLOB_BYTES) return n == 0;
    rule.n = (uint16_t)n;
    glob_prepare(&rule, g->bytes);
    if (g->rules == IGNORE_RULES) return false;
    g->rule[g->rules++] = rule;
    return true;
}

/* The bytes of the file behind the text that is there. Below 0: there is none to be read, or (-2) it is too large. */
static ssize_t load(struct ignores *g, int folder) {
    struct stat st;
    int fd = openat(folder, FILE_NAME, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (fd < 0) return -1;
    size_t room = IGNORE_TEXT - g->text < IGNORE_FILE + 1 ? IGNORE_TEXT - g->text : IGNORE_FILE + 1;
    bool fits = fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
    ssize_t n = !fits ? -1 : (uint64_t)st.st_size >= room ? -2 : pread(fd, g->bytes + g->text, room, 0);
    (void)close_fd(fd);
    return n >= 0 && (size_t)n == room ? -2 : n;
}

static bool parse(struct ignores *g, size_t n) {
    const char *p = g->bytes + g->text;
    const char *end = p + n;
    bool whole = true;
    if (n >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0) p += 3;
    while (p < end && whole) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (stop == NULL) stop = end;
        whole = add_line(g, p, (size_t)(stop - p));
        p = stop + 1;
    }
    return whole;
}

void ignore_push(struct ignores *g, int folder, size_t base) {
    uint32_t i = g->levels++;
    if (i >= IGNORE_LEVELS) {
        g->left_out++;
        return;
    }
    g->level[i].rules = g->rules;
    g->level[i].text = g->text;
    g->level[i].base = (uint32_t)base;
    ssize_t n = load(g, folder);
    if (n == -2) g->left_out++;
    if (n <= 0) return;
    if (!parse(g, (size_t)n)) g->left_out++;
    g->text += (uint32_t)n;
}

void ignore_pop(struct ignores *g) {
    if (g->levels == 0 || --g->levels >= IGNORE_LEVELS) return;
    g->rules = g->level[g->levels].rules;
    g->text = g->level[g->levels].text;
}

bool ignore_says(const struct ignores *g, const char *path, const char *name, bool is_dir) {
    uint32_t level = g->levels < IGNORE_LEVELS ? g->levels : IGNORE_LEVELS;
    uint32_t rule = g->rules;
    while (level-- > 0) {
        for (; rule > g->level[level].rules; rule--) {
            const struct glob *r = &g->rule[rule - 1];
            if (glob_matches(r, g->bytes, path + g->level[level].base, name, is_dir)) return !r->negated;
        }
    }
    return false;
}
