/* A parsed pattern as a program: each node is made before what it goes on to is left, so from the end to the begin. */
#include <string.h>

#include "rx.h"
#include "util.h"

#define SHARED_LOOK 24 /* how far back an equal instruction is looked for */

struct compiler {
    struct rx_program *p;
    const struct rx_tree *t;
    bool backwards, full;
};

static uint16_t emit(struct compiler *c, struct rx_inst inst) {
    struct rx_program *p = c->p;
    for (uint16_t i = p->n; inst.op != RX_SPLIT && i > 0 && i + SHARED_LOOK > p->n; i--)
        if (memcmp(&p->inst[i - 1], &inst, sizeof inst) == 0) return (uint16_t)(i - 1);
    if (p->n == RX_PROGRAM) {
        c->full = true;
        return 0;
    }
    p->inst[p->n] = inst;
    return p->n++;
}

static uint16_t split(struct compiler *c, uint16_t x, uint16_t y) {
    return emit(c, (struct rx_inst){.op = RX_SPLIT, .x = x, .y = y});
}

/* ---- classes ---- */

static uint16_t set_number(struct compiler *c, const uint64_t set[4]) {
    struct rx_program *p = c->p;
    for (uint16_t i = 0; i < p->sets; i++)
        if (memcmp(p->set[i], set, sizeof p->set[i]) == 0) return i;
    if (p->sets == RX_SETS) {
        c->full = true;
        return 0;
    }
    memcpy(p->set[p->sets], set, sizeof p->set[0]);
    return p->sets++;
}

struct piece {
    uint8_t lo[4], hi[4];
    unsigned n;
};

static unsigned encode(uint32_t v, uint8_t b[4]) {
    unsigned n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
    static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
    for (unsigned i = n; i-- > 1; v >>= 6) b[i] = (uint8_t)(0x80u | (v & 0x3Fu));
    b[0] = (uint8_t)(lead[n] | v);
    return n;
}

struct class {
    struct compiler *c;
    uint16_t next, alternatives;
    bool any;
};

static void add(struct class *k, uint16_t entry) {
    k->alternatives = k->any ? split(k->c, entry, k->alternatives) : entry;
    k->any = true;
}

static void add_piece(struct class *k, uint32_t lo, uint32_t hi) {
    struct piece p;
    uint16_t at = k->next;
    p.n = encode(lo, p.lo);
    (void)encode(hi, p.hi);
    for (unsigned i = 0; i < p.n; i++) {
        unsigned b = k->c->backwards ? i : p.n - 1 - i;
        at = emit(k->c, (struct rx_inst){.op = RX_BYTES, .lo = p.lo[b], .hi = p.hi[b], .x = at});
    }
    add(k, at);
}

/* Cut a range into pieces whose bytes vary independently of each other. */
static void add_range(struct class *k, uint32_t lo, uint32_t hi) {
    static const uint32_t limits[] = {0x7F, 0x7FF, 0xD7FF, 0xDFFF, 0xFFFF};
    if (k->c->full || lo > hi) return;
    for (size_t i = 0; i < COUNT(limits); i++) {
        if (lo > limits[i] || hi <= limits[i]) continue;
        add_range(k, lo, limits[i]);
        add_range(k, limits[i] + 1, hi);
        return;
    }
    if (lo >= 0xD800 && hi <= 0xDFFF) return; /* no characters */
    for (unsigned i = 1; i < 4; i++) {
        uint32_t m = (1u << (6 * i)) - 1;
        if ((lo & ~m) == (hi & ~m)) continue;
        if ((lo & m) != 0) {
            add_range(k, lo, lo | m);
            add_range(k, (lo | m) + 1, hi);
            return;
        }
        if ((hi & m) != m) {
            add_range(k, lo, (hi & ~m) - 1);
            add_range(k, hi & ~m, hi);
            return;
        }
    }
    add_piece(k, lo, hi);
}

static uint16_t class(struct compiler *c, const struct rx_node *n, uint16_t next) {
    struct class k = {.c = c, .next = next};
    uint64_t set[4] = {0};
    unsigned single = 0;
    for (uint32_t i = 0; i < n->n; i++) {
        const struct rx_range *r = &c->t->range[n->ranges + i];
        for (uint32_t v = r->lo; v <= r->hi && v < 0x80; v++, single++) set[v / 64] |= 1ull << v % 64;
        add_range(&k, r->lo < 0x80 ? 0x80 : r->lo, r->hi);
    }
    if (single > 0) add(&k, emit(c, (struct rx_inst){.op = RX_SET, .x = next, .y = set_number(c, set)}));
    return k.any ? k.alternatives : emit(c, (struct rx_inst){.op = RX_NEVER});
}

/* ---- nodes ---- */

static uint16_t compile(struct compiler *c, uint16_t at, uint16_t next);

static uint16_t loop(struct compiler *c, uint16_t inner, uint16_t next, uint16_t *entry) {
    uint16_t at = split(c, 0, next);
    *entry = compile(c, inner, at);
    c->p->inst[at].x = *entry;
    return at;
}

static uint16_t repeat(struct compiler *c, const struct rx_node *n, uint16_t next) {
    unsigned least = n->min;
    uint16_t at = next, entry;
    if (n->max == RX_FOREVER) {
        uint16_t around = loop(c, n->first, next, &entry);
        at = least > 0 ? entry : around;
        least -= least > 0;
    } else {
        for (unsigned i = n->min; i < n->max && !c->full; i++) at = split(c, compile(c, n->first, at), next);
    }
    for (unsigned i = 0; i < least && !c->full; i++) at = compile(c, n->first, at);
    return at;
}

static uint8_t turned(uint8_t what) {
    static const uint8_t other[] = {[RX_BEGIN] = RX_END,         [RX_END] = RX_BEGIN,
                                    [RX_EDGE] = RX_EDGE,         [RX_NO_EDGE] = RX_NO_EDGE,
                                    [RX_FREE_LEFT] = RX_FREE_RIGHT, [RX_FREE_RIGHT] = RX_FREE_LEFT};
    return other[what];
}

static uint16_t assertion(struct compiler *c, const struct rx_node *n, uint16_t next) {
    c->p->words |= n->assert != RX_BEGIN && n->assert != RX_END;
    uint8_t what = c->backwards ? turned(n->assert) : n->assert;
    return emit(c, (struct rx_inst){.op = RX_ASSERT, .lo = what, .x = next});
}

static uint16_t sequence(struct compiler *c, const struct rx_node *n, uint16_t next) {
    uint16_t at = next;
    for (uint16_t i = c->backwards ? n->first : n->last; i != 0 && !c->full;) {
        at = compile(c, i, at);
        i = c->backwards ? c->t->node[i].next : c->t->node[i].previous;
    }
    return at;
}

static uint16_t choice(struct compiler *c, const struct rx_node *n, uint16_t next) {
    uint16_t at = compile(c, n->first, next);
    for (uint16_t i = c->t->node[n->first].next; i != 0 && !c->full; i = c->t->node[i].next)
        at = split(c, compile(c, i, next), at);
    return at;
}

static uint16_t compile(struct compiler *c, uint16_t at, uint16_t next) {
    const struct rx_node *n = &c->t->node[at];
    if (c->full) return 0;
    switch (n->type) {
    case RX_CLASS: return class(c, n, next);
    case RX_CAT: return sequence(c, n, next);
    case RX_ALT: return choice(c, n, next);
    case RX_REPEATED: return repeat(c, n, next);
    case RX_ASSERTED: return assertion(c, n, next);
    default: return next;
    }
}

bool rx_compile(struct rx_program *p, const struct rx_tree *t, bool backwards) {
    struct compiler c = {.p = p, .t = t, .backwards = backwards};
    p->n = p->sets = 0;
    p->words = false;
    uint16_t match = emit(&c, (struct rx_inst){.op = RX_MATCH});
    p->start = compile(&c, t->root, match);
    return !c.full;
}
