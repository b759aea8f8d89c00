/* From a pattern to all that it needs to be looked for. */
#include <string.h>

#include "rx.h"
#include "util.h"

/* The longest run of characters that every match holds. */
struct run {
    struct rx *x;
    const struct rx_tree *t;
    char now[RX_PATTERN];
    uint32_t n;
    bool broken; /* something else than characters is in the pattern */
};

static void run_ends(struct run *r) {
    if (r->n > r->x->must_n) {
        memcpy(r->x->must, r->now, r->n);
        r->x->must_n = r->n;
    }
    r->n = 0;
}

static void run_over(struct run *r, uint16_t at) {
    const struct rx_node *n = &r->t->node[at];
    if (n->type == RX_CAT) {
        for (uint16_t i = n->first; i != 0; i = r->t->node[i].next) run_over(r, i);
    } else if (n->type == RX_CLASS && n->n == 1 && r->t->range[n->ranges].lo == r->t->range[n->ranges].hi &&
               r->n + 4 <= RX_PATTERN) {
        uint32_t v = r->t->range[n->ranges].lo;
        unsigned size = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;
        static const uint8_t lead[5] = {0, 0, 0xC0, 0xE0, 0xF0};
        for (unsigned i = size; i-- > 1; v >>= 6) r->now[r->n + i] = (char)(0x80u | (v & 0x3Fu));
        r->now[r->n] = (char)(lead[size] | v);
        r->n += size;
    } else if (n->type == RX_ASSERTED) {
        r->broken = true;
    } else if (n->type == RX_REPEATED && n->min > 0) {
        r->broken = true;
        run_ends(r);
        run_over(r, n->first);
        run_ends(r);
    } else if (n->type != RX_EMPTY) {
        r->broken = true;
        run_ends(r);
    }
}

static void find_must(struct rx *x, const struct rx_tree *t) {
    static struct run r; /* large, and only for this moment */
    r = (struct run){.x = x, .t = t};
    x->must_n = 0;
    run_over(&r, t->root);
    run_ends(&r);
    x->literal = !r.broken && x->must_n > 0;
}

enum rx_fault rx_build(struct rx *x, const char *pattern, size_t n, unsigned flags, uint32_t *at) {
    struct rx_tree *t = private_map(sizeof *t);
    *at = 0;
    if (t == NULL) return RX_TOO_LARGE;
    rx_parse(t, pattern, n, flags);
    enum rx_fault fault = t->fault;
    *at = t->fault_at;
    if (fault == RX_FINE) {
        find_must(x, t);
        if (!rx_compile(&x->forth, t, false) || !rx_compile(&x->back, t, true)) fault = RX_TOO_LARGE;
    }
    private_unmap(t, sizeof *t);
    if (fault != RX_FINE) return fault;
    rx_prepare(&x->forward, &x->forth);
    rx_prepare(&x->backward, &x->back);
    return RX_FINE;
}
