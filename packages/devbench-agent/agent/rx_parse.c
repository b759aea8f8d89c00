#include <stdlib.h>
#include <string.h>

#include "posix_class.h"
#include "rx.h"
#include "utf8.h"

#define LAST 0x10FFFFu

struct parser {
    struct rx_tree *t;
    const char *p;
    size_t n, at;
    unsigned depth;
    bool ignore_case;
};

static uint16_t fail_at(struct parser *s, enum rx_fault fault, size_t at) {
    if (s->t->fault == RX_FINE) {
        s->t->fault = fault;
        s->t->fault_at = (uint32_t)at;
    }
    return 0;
}

static bool failed(const struct parser *s) { return s->t->fault != RX_FINE; }
static bool more(const struct parser *s) { return s->at < s->n && !failed(s); }
static bool is(const struct parser *s, char c) { return s->at < s->n && s->p[s->at] == c; }
static bool accept(struct parser *s, char c) { return is(s, c) && s->at++ < s->n; }
static bool starts(const struct parser *s, const char *with) {
    return s->n - s->at >= strlen(with) && memcmp(s->p + s->at, with, strlen(with)) == 0;
}

static uint16_t node(struct parser *s, enum rx_node_type type) {
    if (s->t->nodes == RX_NODES) return fail_at(s, RX_TOO_LARGE, 0);
    struct rx_node *made = &s->t->node[s->t->nodes];
    *made = (struct rx_node){.type = (uint8_t)type, .ranges = s->t->ranges};
    return s->t->nodes++;
}

static void adopt(struct rx_tree *t, uint16_t parent, uint16_t child) {
    struct rx_node *p = &t->node[parent];
    t->node[child].previous = p->last;
    if (p->last != 0) t->node[p->last].next = child;
    else p->first = child;
    p->last = child;
}

/* ---- classes ---- */

static void put(struct parser *s, uint32_t lo, uint32_t hi) {
    if (s->t->ranges == RX_NODES) (void)fail_at(s, RX_TOO_LARGE, 0);
    else s->t->range[s->t->ranges++] = (struct rx_range){lo, hi};
}

static void put_folded(struct parser *s, uint32_t lo, uint32_t hi) {
    put(s, lo, hi);
    if (!s->ignore_case) return;
    uint32_t a = lo > 'a' ? lo : 'a', z = hi < 'z' ? hi : 'z';
    if (a <= z) put(s, a - 32, z - 32);
    a = lo > 'A' ? lo : 'A', z = hi < 'Z' ? hi : 'Z';
    if (a <= z) put(s, a + 32, z + 32);
}

static int by_lo(const void *a, const void *b) {
    const struct rx_range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void invert(struct parser *s, uint32_t from) {
    uint32_t end = s->t->ranges, next = 0;
    struct rx_range *r = s->t->range;
    for (uint32_t i = from; i < end && !failed(s); i++) {
        if (r[i].lo > next) put(s, next, r[i].lo - 1);
        next = r[i].hi + 1;
    }
    if (next <= LAST) put(s, next, LAST);
    memmove(r + from, r + end, (s->t->ranges - end) * sizeof *r);
    s->t->ranges -= end - from;
}

static void tidy(struct parser *s, uint32_t from) {
    struct rx_range *r = s->t->range;
    uint32_t kept = from;
    qsort(r + from, s->t->ranges - from, sizeof *r, by_lo);
    for (uint32_t i = from; i < s->t->ranges; i++) {
        if (kept > from && r[i].lo <= r[kept - 1].hi + 1) {
            if (r[i].hi > r[kept - 1].hi) r[kept - 1].hi = r[i].hi;
        } else {
            r[kept++] = r[i];
        }
    }
    s->t->ranges = kept;
}

/* The ranges from `from` on become the class: in order, perhaps inverted, never with a line feed. */
static void settle(struct parser *s, uint16_t at, uint32_t from, bool inverted) {
    if (failed(s)) return;
    tidy(s, from);
    if (inverted) invert(s, from);
    for (uint32_t i = from; i < s->t->ranges && !failed(s); i++) {
        struct rx_range *r = &s->t->range[i];
        if (r->lo > '\n' || r->hi < '\n') continue;
        uint32_t hi = r->hi;
        r->hi = '\n' - 1;
        if (r->lo == '\n') *r = (struct rx_range){1, 0}; /* of no characters */
        if (hi > '\n') put(s, '\n' + 1, hi);
        break;
    }
    s->t->node[at].ranges = from;
    s->t->node[at].n = s->t->ranges - from;
}

/* The ranges of \d, \w, \s, or of what they are not. */
static bool put_shorthand(struct parser *s, char c) {
    char low = (char)(c | 32);
    const char *pairs = low == 'd' ? "09" : low == 'w' ? "09AZ__az" : low == 's' ? "\t\r  " : NULL;
    if (pairs == NULL) return false;
    uint32_t from = s->t->ranges;
    for (; *pairs != 0; pairs += 2) put(s, (uint8_t)pairs[0], (uint8_t)pairs[1]);
    if (c != low && !failed(s)) {
        tidy(s, from);
        invert(s, from);
    }
    return true;
}

static uint16_t class_of(struct parser *s, uint32_t c) {
    uint16_t made = node(s, RX_CLASS);
    uint32_t from = s->t->ranges;
    put_folded(s, c, c);
    settle(s, made, from, false);
    return made;
}

/* ---- characters ---- */

static uint32_t take(struct parser *s) {
    uint32_t c = 0;
    size_t at = s->at;
    s->at += utf8_take(s->p + s->at, s->n - s->at, &c);
    if (c >= UTF8_BAD) (void)fail_at(s, RX_NOT_UTF8, at);
    if (c == '\n') (void)fail_at(s, RX_LINE_FEED, at);
    return c;
}

static int digit(char c) {
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* Hexadecimal digits: exactly `least`, or in braces. */
static uint32_t number(struct parser *s, unsigned least, size_t from) {
    uint32_t v = 0;
    unsigned n = 0;
    bool braces = accept(s, '{');
    while (s->at < s->n && (braces || n < least) && digit(s->p[s->at]) >= 0 && n < 8) {
        v = v << 4 | (uint32_t)digit(s->p[s->at++]);
        n++;
    }
    bool fine = braces ? n > 0 && accept(s, '}') : n == least;
    if (!fine || v > LAST || (v >= 0xD800 && v <= 0xDFFF)) (void)fail_at(s, RX_BAD_NUMBER, from);
    if (v == '\n') (void)fail_at(s, RX_LINE_FEED, from);
    return v;
}

/* The character that an escape stands for; the parser is behind its letter. */
static uint32_t escaped(struct parser *s, char c, size_t from) {
    static const char letters[] = "atfvre", values[] = "\a\t\f\v\r\x1b";
    const char *found = c == 0 ? NULL : strchr(letters, c);
    if (found != NULL) return (uint8_t)values[found - letters];
    if (c == 'x') return number(s, 2, from);
    if (c == 'u') return number(s, 4, from);
    if (c == 'U') return number(s, 8, from);
    if (c == 'n') return fail_at(s, RX_LINE_FEED, from);
    if (c >= '1' && c <= '9') return fail_at(s, RX_BACK_REFERENCE, from);
    if (c == '0' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z')) return fail_at(s, RX_BAD_ESCAPE, from);
    s->at--; /* any other stands for itself, whatever its length */
    return take(s);
}

/* ---- [...] ---- */

static bool posix_named(struct parser *s) {
    const char *begin = s->p + s->at;
    size_t left = s->n - s->at;
    if (!starts(s, "[:")) return false;
    const char *end = memchr(begin + 2, ']', left - 2);
    if (end == NULL || end[-1] != ':' || end < begin + 3) return false;
    bool inverted = begin[2] == '^';
    const char *pairs = posix_class(begin + 2 + inverted, (size_t)(end - begin) - 3 - inverted);
    if (pairs == NULL) return fail_at(s, RX_BAD_CLASS, s->at) != 0;
    uint32_t from = s->t->ranges;
    for (; *pairs != 0; pairs += 2) put_folded(s, (uint8_t)pairs[0], (uint8_t)pairs[1]);
    if (inverted && !failed(s)) {
        tidy(s, from);
        invert(s, from);
    }
    s->at += (size_t)(end - begin) + 1;
    return true;
}

/* One end of a range. False: it was a class of its own, which no range can have. */
static bool member(struct parser *s, uint32_t *c) {
    size_t from = s->at;
    if (!accept(s, '\\')) {
        *c = take(s);
        return true;
    }
    if (s->at == s->n) return fail_at(s, RX_BAD_ESCAPE, from) != 0;
    char letter = s->p[s->at++];
    if (put_shorthand(s, letter)) return false;
    *c = letter == 'b' ? '\b' : escaped(s, letter, from);
    return true;
}

static uint16_t bracket(struct parser *s, size_t open) {
    uint16_t made = node(s, RX_CLASS);
    uint32_t from = s->t->ranges, lo = 0, hi = 0;
    bool inverted = accept(s, '^');
    for (bool first = true; more(s); first = false) {
        if (!first && accept(s, ']')) {
            settle(s, made, from, inverted);
            return made;
        }
        size_t at = s->at;
        if (posix_named(s) || failed(s)) continue;
        bool single = member(s, &lo);
        bool range = is(s, '-') && s->n - s->at > 1 && s->p[s->at + 1] != ']';
        if (range) {
            s->at++;
            if (!single || !member(s, &hi) || hi < lo) return fail_at(s, RX_BAD_RANGE, at);
        }
        if (single) put_folded(s, lo, range ? hi : lo);
    }
    return fail_at(s, RX_CLASS_OPEN, open);
}

/* ---- the rest ---- */

static uint16_t alternatives(struct parser *s);

static uint16_t asserted(struct parser *s, enum rx_assert what) {
    uint16_t made = node(s, RX_ASSERTED);
    s->t->node[made].assert = (uint8_t)what;
    return made;
}

/* Behind "(?": what kind of group. False: flags for the rest of the one around it, so no group at all. */
static bool group_kind(struct parser *s, size_t open, bool *ignore_case) {
    if (starts(s, "P<") || (starts(s, "<") && !starts(s, "<=") && !starts(s, "<!"))) {
        while (s->at < s->n && s->p[s->at] != '>') s->at++;
        if (!accept(s, '>')) (void)fail_at(s, RX_BAD_GROUP, open);
        return true;
    }
    if (is(s, '=') || is(s, '!') || is(s, '<')) {
        (void)fail_at(s, RX_LOOK_AROUND, open);
        return true;
    }
    bool on = true;
    for (; s->at < s->n; s->at++) {
        char c = s->p[s->at];
        if (c == '-') on = false;
        else if (c == 'i') *ignore_case = on;
        else if (c != 's' && c != 'm' && c != 'u' && c != 'a') break; /* of these none changes anything */
    }
    if (accept(s, ':')) return true;
    if (accept(s, ')')) return false;
    (void)fail_at(s, RX_BAD_GROUP, open);
    return true;
}

static uint16_t group(struct parser *s, size_t open) {
    bool around = s->ignore_case, within = around;
    if (++s->depth > RX_NESTING) return fail_at(s, RX_TOO_DEEP, open);
    if (accept(s, '?') && !group_kind(s, open, &within)) {
        s->depth--;
        s->ignore_case = within;
        return node(s, RX_EMPTY);
    }
    s->ignore_case = within;
    uint16_t made = alternatives(s);
    s->ignore_case = around;
    s->depth--;
    if (!failed(s) && !accept(s, ')')) return fail_at(s, RX_GROUP_OPEN, open);
    return made;
}

static uint16_t escape(struct parser *s, size_t from) {
    if (s->at == s->n) return fail_at(s, RX_BAD_ESCAPE, from);
    char c = s->p[s->at++];
    if (c == 'b') return asserted(s, RX_EDGE);
    if (c == 'B') return asserted(s, RX_NO_EDGE);
    uint32_t ranges = s->t->ranges;
    if (put_shorthand(s, c)) {
        uint16_t made = node(s, RX_CLASS);
        settle(s, made, ranges, false);
        return made;
    }
    uint32_t value = escaped(s, c, from);
    return failed(s) ? 0 : class_of(s, value);
}

static uint16_t any(struct parser *s) {
    uint16_t made = node(s, RX_CLASS);
    settle(s, made, s->t->ranges, true);
    return made;
}

static uint16_t atom(struct parser *s) {
    size_t from = s->at;
    if (accept(s, '(')) return group(s, from);
    if (accept(s, '[')) return bracket(s, from);
    if (accept(s, '\\')) return escape(s, from);
    if (accept(s, '.')) return any(s);
    if (accept(s, '^')) return asserted(s, RX_BEGIN);
    if (accept(s, '$')) return asserted(s, RX_END);
    if (is(s, '*') || is(s, '+') || is(s, '?')) return fail_at(s, RX_NOTHING_TO_REPEAT, from);
    uint32_t c = take(s);
    return failed(s) ? 0 : class_of(s, c);
}

static bool decimal(struct parser *s, uint32_t *v) {
    size_t from = s->at;
    *v = 0;
    for (; s->at < s->n && s->p[s->at] >= '0' && s->p[s->at] <= '9'; s->at++)
        if (*v <= RX_REPEAT) *v = *v * 10 + (uint32_t)(s->p[s->at] - '0');
    return s->at > from;
}

/* {m}, {m,}, {,n} or {m,n}; anything else is text. */
static bool braces(struct parser *s, uint32_t *min, uint32_t *max) {
    size_t from = s->at++;
    bool low = decimal(s, min);
    bool comma = accept(s, ',');
    bool high = comma && decimal(s, max);
    if (!comma) *max = *min;
    else if (!high) *max = RX_FOREVER;
    if ((low || high) && accept(s, '}')) return true;
    s->at = from;
    return false;
}

static bool repeat(struct parser *s, uint32_t *min, uint32_t *max) {
    size_t from = s->at;
    *min = 0;
    *max = RX_FOREVER;
    if (accept(s, '*')) return true;
    if (accept(s, '+')) return (*min = 1) == 1;
    if (accept(s, '?')) return (*max = 1) == 1;
    if (!is(s, '{') || !braces(s, min, max)) return false;
    if (*min > RX_REPEAT || (*max != RX_FOREVER && (*max > RX_REPEAT || *max < *min))) (void)fail_at(s, RX_BAD_REPEAT, from);
    return true;
}

static uint16_t repeated(struct parser *s) {
    uint32_t min, max;
    size_t from = s->at;
    uint16_t inner = atom(s);
    size_t behind = s->at;
    if (failed(s) || !repeat(s, &min, &max)) return inner;
    if (s->t->node[inner].type == RX_ASSERTED && s->p[from] != '(') return fail_at(s, RX_NOTHING_TO_REPEAT, behind);
    (void)accept(s, '?'); /* what is shortest matters not to whether a line matches */
    uint16_t made = node(s, RX_REPEATED);
    s->t->node[made].min = (uint16_t)min;
    s->t->node[made].max = (uint16_t)max;
    adopt(s->t, made, inner);
    size_t again = s->at;
    if (!failed(s) && repeat(s, &min, &max)) return fail_at(s, RX_REPEATED_TWICE, again);
    return made;
}

static uint16_t sequence(struct parser *s) {
    uint16_t made = node(s, RX_CAT);
    while (more(s) && !is(s, '|') && !is(s, ')')) {
        uint16_t part = repeated(s);
        if (!failed(s)) adopt(s->t, made, part);
    }
    return made;
}

static uint16_t alternatives(struct parser *s) {
    uint16_t first = sequence(s);
    if (!is(s, '|')) return first;
    uint16_t made = node(s, RX_ALT);
    adopt(s->t, made, first);
    while (!failed(s) && accept(s, '|')) {
        uint16_t part = sequence(s);
        if (!failed(s)) adopt(s->t, made, part);
    }
    return made;
}

static uint16_t literally(struct parser *s) {
    uint16_t made = node(s, RX_CAT);
    while (more(s)) {
        uint32_t c = take(s);
        if (!failed(s)) adopt(s->t, made, class_of(s, c));
    }
    return made;
}

void rx_parse(struct rx_tree *t, const char *pattern, size_t n, unsigned flags) {
    struct parser s = {.t = t, .p = pattern, .n = n, .ignore_case = (flags & RX_IGNORE_CASE) != 0};
    t->nodes = 1; /* 0 is none */
    t->ranges = 0;
    t->fault = RX_FINE;
    uint16_t root = (flags & RX_LITERAL) ? literally(&s) : alternatives(&s);
    if (!failed(&s) && s.at < n) (void)fail_at(&s, RX_GROUP_CLOSED, s.at);
    if (!failed(&s) && (flags & RX_WORD)) {
        uint16_t whole = node(&s, RX_CAT);
        adopt(t, whole, asserted(&s, RX_FREE_LEFT));
        adopt(t, whole, root);
        adopt(t, whole, asserted(&s, RX_FREE_RIGHT));
        root = whole;
    }
    t->root = root;
}
