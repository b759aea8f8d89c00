#include "glob.h"

#include <string.h>

#include "posix_class.h"
#include "utf8.h"

#define NONE SIZE_MAX

struct reader {
    const char *p;
    size_t n, at;
};

/* One character of a class, quoted or not. False: the class has no end. */
static bool take_member(struct reader *r, uint32_t *c) {
    if (r->at < r->n && r->p[r->at] == '\\') r->at++;
    if (r->at >= r->n) return false;
    r->at += utf8_take(r->p + r->at, r->n - r->at, c);
    return true;
}

/* [:name:] at the reader's position: whether it is one, and holds c. */
static bool take_named(struct reader *r, uint32_t c, bool *in) {
    const char *begin = r->p + r->at;
    const char *end = r->n - r->at > 4 && begin[0] == '[' && begin[1] == ':' ? memchr(begin + 2, ':', r->n - r->at - 2) : NULL;
    if (end == NULL || end + 1 >= r->p + r->n || end[1] != ']') return false;
    const char *pairs = posix_class(begin + 2, (size_t)(end - begin) - 2);
    for (; pairs != NULL && *pairs != 0; pairs += 2) *in |= c >= (uint8_t)pairs[0] && c <= (uint8_t)pairs[1];
    r->at = (size_t)(end - r->p) + 2;
    return true;
}

/* A class, from behind its bracket; the reader is then behind its end. */
static bool in_class(struct reader *r, uint32_t c, bool *in) {
    bool negated = r->at < r->n && (r->p[r->at] == '!' || r->p[r->at] == '^');
    r->at += negated;
    *in = false;
    for (bool first = true; r->at < r->n; first = false) {
        uint32_t lo, hi;
        if (r->p[r->at] == ']' && !first) {
            r->at++;
            *in = *in != negated;
            return true;
        }
        if (take_named(r, c, in)) continue;
        if (!take_member(r, &lo)) return false;
        hi = lo;
        if (r->n - r->at > 1 && r->p[r->at] == '-' && r->p[r->at + 1] != ']') {
            r->at++;
            if (!take_member(r, &hi)) return false;
        }
        *in |= c >= lo && c <= hi;
    }
    return false;
}

static bool one(struct reader *p, uint32_t c) {
    bool in = false;
    uint32_t want;
    char k = p->p[p->at++];
    if (k == '?') return true;
    if (k == '[') return in_class(p, c, &in) && in;
    if (k != '\\') p->at--;
    if (p->at >= p->n) return false;
    p->at += utf8_take(p->p + p->at, p->n - p->at, &want);
    return want == c;
}

bool glob_name(const char *p, size_t pn, const char *s, size_t sn) {
    struct reader r = {p, pn, 0};
    size_t at = 0, star = NONE, mark = 0;
    uint32_t c;
    while (at < sn) {
        if (r.at < pn && p[r.at] == '*') {
            star = ++r.at;
            mark = at;
            continue;
        }
        size_t step = utf8_take(s + at, sn - at, &c);
        if (r.at < pn && one(&r, c)) {
            at += step;
            continue;
        }
        if (star == NONE) return false;
        r.at = star;
        mark += utf8_take(s + mark, sn - mark, &c);
        at = mark;
    }
    while (r.at < pn && p[r.at] == '*') r.at++;
    return r.at == pn;
}

static size_t part_end(const char *s, size_t n, size_t at) {
    const char *slash = memchr(s + at, '/', n - at);
    return slash == NULL ? n : (size_t)(slash - s);
}

bool glob_path(const char *p, size_t pn, const char *s, size_t sn) {
    size_t pi = 0, si = 0, star_p = NONE, star_s = 0; /* beyond the length: used up */
    while (si <= sn) {
        if (pi <= pn) {
            size_t pe = part_end(p, pn, pi);
            if (pe - pi == 2 && p[pi] == '*' && p[pi + 1] == '*') {
                if (pe == pn) return true;
                star_p = pi = pe + 1;
                star_s = si;
                continue;
            }
            size_t se = part_end(s, sn, si);
            if (glob_name(p + pi, pe - pi, s + si, se - si)) {
                pi = pe + 1;
                si = se + 1;
                continue;
            }
        }
        if (star_p == NONE) return false;
        star_s = part_end(s, sn, star_s) + 1;
        si = star_s;
        pi = star_p;
    }
    return pi > pn;
}

void glob_prepare(struct glob *g, const char *text) {
    if (g->n > 0 && text[g->at + g->n - 1] == '/') {
        g->only_dir = true;
        g->n--;
    }
    g->by_path = memchr(text + g->at, '/', g->n) != NULL;
    if (g->n > 0 && text[g->at] == '/') {
        g->at++;
        g->n--;
    }
}

bool glob_matches(const struct glob *g, const char *text, const char *path, const char *name, bool is_dir) {
    if (g->n == 0 || (g->only_dir && !is_dir)) return false;
    const char *s = g->by_path ? path : name;
    return g->by_path ? glob_path(text + g->at, g->n, s, strlen(s)) : glob_name(text + g->at, g->n, s, strlen(s));
}
