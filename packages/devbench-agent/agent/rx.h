/* Regular expressions over lines of bytes, in time linear in the text: a parsed pattern becomes a program for each
 * direction (rx_parse.c, rx_program.c), which a lazily built automaton with a bounded cache runs (rx_automaton.c).
 *
 * Lines are looked at one by one: a line feed ends one and is matched by nothing. Text is UTF-8: `.` and classes match
 * whole characters only; `\w`, `\d`, `\s`, `\b` and ignoring case know ASCII. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "limits.h"

enum rx_fault {
    RX_FINE, RX_TOO_LARGE, RX_NOTHING_TO_REPEAT, RX_REPEATED_TWICE, RX_BAD_REPEAT, RX_GROUP_OPEN, RX_GROUP_CLOSED,
    RX_CLASS_OPEN, RX_BAD_RANGE, RX_BAD_ESCAPE, RX_BAD_NUMBER, RX_BACK_REFERENCE, RX_LOOK_AROUND, RX_BAD_GROUP,
    RX_LINE_FEED, RX_TOO_DEEP, RX_BAD_CLASS, RX_NOT_UTF8,
};
enum rx_flag { RX_LITERAL = 1, RX_IGNORE_CASE = 2, RX_WORD = 4 };
enum rx_assert { RX_BEGIN, RX_END, RX_EDGE, RX_NO_EDGE, RX_FREE_LEFT, RX_FREE_RIGHT }; /* FREE: no word's byte there */

/* ---- the parsed pattern ---- */

enum rx_node_type { RX_EMPTY, RX_CLASS, RX_CAT, RX_ALT, RX_REPEATED, RX_ASSERTED };
#define RX_FOREVER UINT16_MAX

struct rx_node {
    uint8_t type, assert;
    uint16_t min, max;
    uint16_t first, last, next, previous; /* children and siblings; 0: none */
    uint32_t ranges, n;
};
struct rx_range {
    uint32_t lo, hi;
};
struct rx_tree {
    uint16_t nodes, root;
    uint32_t ranges;
    enum rx_fault fault;
    uint32_t fault_at;
    struct rx_node node[RX_NODES];
    struct rx_range range[RX_NODES];
};

void rx_parse(struct rx_tree *t, const char *pattern, size_t n, unsigned flags);

/* ---- programs ---- */

enum rx_op { RX_BYTES, RX_SET, RX_SPLIT, RX_ASSERT, RX_MATCH, RX_NEVER };
struct rx_inst {
    uint8_t op, lo, hi, pad;
    uint16_t x, y; /* where it goes on; of a SET its number is in y */
};
struct rx_program {
    uint16_t n, sets, start;
    bool words; /* it asks about edges of words */
    struct rx_inst inst[RX_PROGRAM];
    uint64_t set[RX_SETS][4];
};

/* False: it would be too large. */
bool rx_compile(struct rx_program *p, const struct rx_tree *t, bool backwards);

/* ---- automata ---- */

#define RX_MATCHED 0x80000000u
struct rx_state {
    uint32_t seeds;
    uint16_t n;
    uint8_t before; /* what is before the place: enum in rx_automaton.c */
};
struct rx_automaton {
    const struct rx_program *program;
    uint32_t width, rooms, states, seeds, generation;
    uint32_t starts[4];
    uint8_t class_of[256];
    uint8_t byte_of[256];
    uint32_t rows[RX_ROWS];
    struct rx_state state[RX_STATES];
    uint16_t seed[RX_SEEDS];
    uint16_t table[2 * RX_STATES];
};

void rx_prepare(struct rx_automaton *a, const struct rx_program *p);
/* The state at a place behind `left`, '\n' where a line begins. */
uint32_t rx_start(struct rx_automaton *a, uint8_t left);
/* From a state over bytes. It stops at a byte before which a match ends (*matched), or when the fuel (about a nanosecond
 * each) is used up, though never without a step; gives how many bytes it went over. */
size_t rx_forward(struct rx_automaton *a, uint32_t *state, const uint8_t *p, size_t n, uint64_t *fuel, bool *matched);
/* The same from the end of p to its begin; *first gets the place of each match's first byte, so at last the leftmost. */
size_t rx_backward(struct rx_automaton *a, uint32_t *state, const uint8_t *p, size_t n, uint64_t *fuel, size_t *first);

/* ---- all of it ---- */

struct rx {
    bool literal; /* nothing but `must` is to be found */
    uint32_t must_n;
    char must[RX_PATTERN]; /* what every match holds; empty: not known */
    struct rx_program forth, back;
    struct rx_automaton forward, backward;
};
/* RX_FINE, or the fault and where in the pattern. */
enum rx_fault rx_build(struct rx *x, const char *pattern, size_t n, unsigned flags, uint32_t *at);
