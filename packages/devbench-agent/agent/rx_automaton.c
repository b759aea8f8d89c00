/* The states are built when they are first met and kept while there is room; then all are forgotten. A state is what the
 * program could be at before it went on to the places that need no byte: whether a line ends there or a word is known only
 * with the next byte. So a match is seen at the byte behind it. */
#include <string.h>

#include "rx.h"

enum before { AT_BEGIN = 1, AFTER_WORD = 2 };

#define STEP_COST 4u /* about a nanosecond each: of each instruction that is looked at */
#define STATE_COST 200u
#define NO_STATE 0u /* also: not known yet */

static struct {
    uint16_t stack[2 * RX_PROGRAM + 2];
    uint64_t seen[RX_PROGRAM / 64], next[RX_PROGRAM / 64];
    uint16_t held[RX_PROGRAM];
    uint32_t n;
} work; /* of one step only */

static bool is_word(uint8_t b) {
    return (b >= '0' && b <= '9') || (b >= 'A' && b <= 'Z') || (b >= 'a' && b <= 'z') || b == '_';
}

static bool in_set(const struct rx_program *p, uint16_t set, unsigned b) { return (p->set[set][b / 64] >> b % 64 & 1u) != 0; }

/* ---- classes of bytes that no instruction tells apart ---- */

void rx_prepare(struct rx_automaton *a, const struct rx_program *p) {
    bool edge[257] = {[0] = true, ['\n'] = true, ['\n' + 1] = true};
    for (unsigned i = 0; i < p->n; i++) {
        if (p->inst[i].op != RX_BYTES) continue;
        edge[p->inst[i].lo] = true;
        edge[p->inst[i].hi + 1u] = true;
    }
    for (unsigned b = 1; b < 256; b++) {
        for (uint16_t s = 0; s < p->sets; s++) edge[b] |= in_set(p, s, b) != in_set(p, s, b - 1);
        if (p->words) edge[b] |= is_word((uint8_t)b) != is_word((uint8_t)(b - 1));
    }
    a->program = p;
    a->width = 0;
    for (unsigned b = 0; b < 256; b++) {
        if (edge[b]) a->byte_of[a->width++] = (uint8_t)b;
        a->class_of[b] = (uint8_t)(a->width - 1);
    }
    a->rooms = RX_ROWS / a->width < RX_STATES ? RX_ROWS / a->width : RX_STATES;
    a->states = a->seeds = 0;
    a->generation = 0;
    memset(a->starts, 0, sizeof a->starts);
}

/* ---- states ---- */

static void forget(struct rx_automaton *a) {
    a->states = 1; /* the first is none */
    a->seeds = 0;
    a->generation++;
    memset(a->table, 0, sizeof a->table);
    memset(a->starts, 0, sizeof a->starts);
}

static uint32_t hash(const uint16_t *seeds, uint32_t n, uint8_t before) {
    uint32_t h = 2166136261u ^ before;
    for (uint32_t i = 0; i < n; i++) h = (h ^ seeds[i]) * 16777619u;
    return h ^ h >> 15;
}

/* The state of the seeds in work.held; its number is where its row begins. */
static uint32_t state_of(struct rx_automaton *a, uint8_t before) {
    if (a->states == 0) forget(a);
    uint32_t slots = sizeof a->table / sizeof a->table[0];
    uint32_t at = hash(work.held, work.n, before) % slots;
    for (; a->table[at] != 0; at = (at + 1) % slots) {
        const struct rx_state *s = &a->state[a->table[at]];
        if (s->n == work.n && s->before == before && memcmp(a->seed + s->seeds, work.held, work.n * sizeof(uint16_t)) == 0)
            return a->table[at] * a->width;
    }
    if (a->states == a->rooms || RX_SEEDS - a->seeds < work.n) {
        forget(a);
        at = hash(work.held, work.n, before) % slots;
    }
    uint32_t number = a->states++;
    a->table[at] = (uint16_t)number;
    a->state[number] = (struct rx_state){.seeds = a->seeds, .n = (uint16_t)work.n, .before = before};
    memcpy(a->seed + a->seeds, work.held, work.n * sizeof(uint16_t));
    a->seeds += work.n;
    memset(a->rows + number * a->width, 0, a->width * sizeof a->rows[0]);
    return number * a->width;
}

uint32_t rx_start(struct rx_automaton *a, uint8_t left) {
    uint8_t before = left == '\n' ? AT_BEGIN : a->program->words && is_word(left) ? AFTER_WORD : 0;
    if (a->starts[before] == NO_STATE) {
        work.held[0] = a->program->start;
        work.n = 1;
        uint32_t state = state_of(a, before);
        a->starts[before] = state; /* behind state_of, which may forget all */
    }
    return a->starts[before];
}

/* ---- one step ---- */

static bool holds(uint8_t what, uint8_t before, uint8_t byte) {
    bool left = (before & AFTER_WORD) != 0, right = byte != '\n' && is_word(byte);
    switch (what) {
    case RX_BEGIN: return (before & AT_BEGIN) != 0;
    case RX_END: return byte == '\n';
    case RX_EDGE: return left != right;
    case RX_NO_EDGE: return left == right;
    case RX_FREE_LEFT: return !left;
    default: return !right;
    }
}

static bool mark(uint64_t *bits, uint16_t i) {
    bool fresh = (bits[i / 64] >> i % 64 & 1u) == 0;
    bits[i / 64] |= 1ull << i % 64;
    return fresh;
}

static void gather(unsigned words) {
    work.n = 0;
    for (unsigned w = 0; w < words; w++)
        for (uint64_t bits = work.next[w]; bits != 0; bits &= bits - 1)
            work.held[work.n++] = (uint16_t)(64 * w + (unsigned)__builtin_ctzll(bits));
}

/* Go from a state over a byte; the seeds of the next are then in work.next. True: a match ends before the byte. */
static bool advance(const struct rx_automaton *a, const struct rx_state *s, uint8_t byte, uint64_t *cost) {
    const struct rx_program *p = a->program;
    unsigned words = (p->n + 63u) / 64;
    bool matched = false;
    uint32_t top = 0;
    memset(work.seen, 0, words * sizeof work.seen[0]);
    memset(work.next, 0, words * sizeof work.next[0]);
    for (uint32_t i = 0; i < s->n; i++)
        if (mark(work.seen, a->seed[s->seeds + i])) work.stack[top++] = a->seed[s->seeds + i];
    while (top > 0) {
        const struct rx_inst *inst = &p->inst[work.stack[--top]];
        *cost += STEP_COST;
        switch (inst->op) {
        case RX_MATCH: matched = true; break;
        case RX_BYTES:
            if (byte >= inst->lo && byte <= inst->hi) (void)mark(work.next, inst->x);
            break;
        case RX_SET:
            if (in_set(p, inst->y, byte)) (void)mark(work.next, inst->x);
            break;
        case RX_SPLIT:
            if (mark(work.seen, inst->y)) work.stack[top++] = inst->y;
            if (mark(work.seen, inst->x)) work.stack[top++] = inst->x;
            break;
        case RX_ASSERT:
            if (holds(inst->lo, s->before, byte) && mark(work.seen, inst->x)) work.stack[top++] = inst->x;
            break;
        default: break;
        }
    }
    (void)mark(work.next, p->start); /* a match may begin anywhere */
    return matched;
}

static uint32_t step(struct rx_automaton *a, uint32_t state, uint8_t class, uint64_t *cost) {
    uint8_t byte = a->byte_of[class];
    uint32_t generation = a->generation, next;
    *cost += STATE_COST;
    bool matched = advance(a, &a->state[state / a->width], byte, cost);
    if (byte == '\n') {
        next = rx_start(a, '\n');
    } else {
        gather((a->program->n + 63u) / 64);
        next = state_of(a, a->program->words && is_word(byte) ? AFTER_WORD : 0);
    }
    next |= matched ? RX_MATCHED : 0;
    if (generation == a->generation) a->rows[state + class] = next;
    return next;
}

/* ---- over text ---- */

static bool burn(uint64_t *fuel, uint64_t cost) {
    *fuel = *fuel > cost ? *fuel - cost : 0;
    return *fuel > 0;
}

size_t rx_forward(struct rx_automaton *a, uint32_t *state, const uint8_t *p, size_t n, uint64_t *fuel, bool *matched) {
    uint32_t at = *state;
    size_t most = n <= *fuel ? n : *fuel > 0 ? (size_t)*fuel : 1, i = 0;
    uint64_t cost = 0;
    *matched = false;
    for (; i < most; i++) {
        /* Most bytes leave the state as it is, and for those the processor need not wait for the last step's answer. */
        const uint32_t *row = a->rows + at;
        uint8_t class = a->class_of[p[i]];
        uint32_t next = row[class];
        while (next == at && ++i < most) next = row[class = a->class_of[p[i]]];
        if (i == most) break;
        if (next - 1 >= RX_MATCHED - 1) { /* not known yet, or a match */
            if (next == NO_STATE) next = step(a, at, class, &cost);
            if ((next & RX_MATCHED) != 0) {
                *matched = true;
                break;
            }
            if (i + cost >= *fuel) {
                at = next;
                i++;
                break;
            }
        }
        at = next;
    }
    (void)burn(fuel, i + cost);
    *state = at;
    return i;
}

size_t rx_backward(struct rx_automaton *a, uint32_t *state, const uint8_t *p, size_t n, uint64_t *fuel, size_t *first) {
    uint64_t cost = 0;
    size_t i = n;
    while (i > 0 && (i == n || n - i + cost < *fuel)) {
        uint8_t class = a->class_of[p[i - 1]];
        uint32_t next = a->rows[*state + class];
        if (next == NO_STATE) next = step(a, *state, class, &cost);
        if ((next & RX_MATCHED) != 0) *first = i;
        *state = next & ~RX_MATCHED;
        i--;
    }
    (void)burn(fuel, n - i + cost);
    return n - i;
}
