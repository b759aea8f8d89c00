/* What GREP sends: files, lines, and the lines around them. */
#include <string.h>

#include "grep.h"

#define FRAME_TARGET (32u * 1024u)
#define SHOW_BEFORE 4 /* of a cut line, one part in so many comes from before the match */

enum line_flag { LINE_MATCH = 1, LINE_CUT_BEFORE = 2, LINE_CUT_AFTER = 4 };

static const uint8_t *byte_at(const struct grep *g, uint64_t at) { return g->bytes + (at - g->file.base); }

void grep_close_frame(struct job *j, struct grep *g) {
    struct channel *c = j->channel;
    if (!g->frame_open) return;
    g->frame_open = false;
    if (c->broken) return;
    uint8_t *head = c->out_bytes + c->frame_at + HEADER_BYTES;
    head[0] = (uint8_t)(g->frame_lines >> 8);
    head[1] = (uint8_t)g->frame_lines;
    frame_end(c);
    g->search.pulse = now_ns();
}

static void open_frame(struct job *j, struct grep *g) {
    if (g->frame_open && j->channel->out_end - j->channel->frame_at >= FRAME_TARGET) grep_close_frame(j, g);
    if (g->frame_open) return;
    frame_begin(j->channel, F_GREP_LINES, j->request);
    put_u16(j->channel, 0);
    g->frame_open = true;
    g->frame_lines = 0;
}

void grep_tell_file(struct job *j, struct grep *g, uint64_t count) {
    struct channel *c = j->channel;
    grep_close_frame(j, g);
    frame_begin(c, F_GREP_FILES, j->request);
    put_u16(c, 1);
    put_str(c, g->path);
    put_stat(j, &g->file.st, -1, "");
    put_u64(c, count);
    frame_end(c);
    g->file.told = true;
    g->search.pulse = now_ns();
}

uint64_t grep_number_at(struct grep *g, uint64_t line) {
    struct grep_file *f = &g->file;
    uint64_t from = f->counted > f->base ? f->counted : f->base;
    while (from < line) {
        const uint8_t *p = memchr(byte_at(g, from), '\n', (size_t)(line - from));
        if (p == NULL) break;
        f->number++;
        from = f->base + (uint64_t)(p - g->bytes) + 1;
    }
    if (line > f->counted) f->counted = line;
    return f->number;
}

/* One line, of which `end` is the end, or (cut) as far as it is known. */
static void put_line(struct job *j, struct grep *g, uint64_t number, uint64_t line, uint64_t end, bool match) {
    struct grep_file *f = &g->file;
    struct channel *c = j->channel;
    uint64_t from = line, most = g->line_bytes;
    if (match && end - line > most && f->column > most / SHOW_BEFORE) from = line + f->column - most / SHOW_BEFORE;
    if (end - line > most && from + most > end) from = end - most; /* the end of a long line, not less than there is room for */
    if (from < f->base) from = f->base;
    uint64_t n = end - from < most ? end - from : most;
    bool cut_after = n < end - from || (match && f->cut);
    open_frame(j, g);
    put_u8(c, (uint8_t)((match ? LINE_MATCH : 0) | (from > line ? LINE_CUT_BEFORE : 0) | (cut_after ? LINE_CUT_AFTER : 0)));
    put_u64(c, number);
    put_u64(c, line);
    put_u64(c, match ? f->column + 1 : 0);
    put_u64(c, from - line);
    put_u32(c, (uint32_t)n);
    put_raw(c, byte_at(g, from), (size_t)n);
    g->frame_lines++;
    g->text += n;
}

void grep_show_after(struct job *j, struct grep *g, uint64_t upto) {
    struct grep_file *f = &g->file;
    while (f->after_left > 0 && f->shown < upto && f->shown >= f->base) {
        const uint8_t *stop = memchr(byte_at(g, f->shown), '\n', (size_t)(upto - f->shown));
        uint64_t end = stop == NULL ? upto : f->base + (uint64_t)(stop - g->bytes);
        put_line(j, g, grep_number_at(g, f->shown), f->shown, end, false);
        f->shown = end + 1;
        f->after_left--;
    }
}

/* The begin of the line before the one that begins at `line`. */
static uint64_t line_before(const struct grep *g, uint64_t line, uint64_t least) {
    const uint8_t *stop = line - least < 2 ? NULL : memrchr(byte_at(g, least), '\n', (size_t)(line - least - 1));
    return stop == NULL ? least : g->file.base + (uint64_t)(stop - g->bytes) + 1;
}

static void show_before(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    uint64_t starts[GREP_CONTEXT];
    uint64_t at = f->line;
    unsigned n = 0;
    uint64_t least = f->shown > f->base ? f->shown : f->base;
    bool whole = least == f->shown || f->base_whole;
    for (; n < g->before && at > least; n++) {
        uint64_t line = line_before(g, at, least);
        if (line == least && !whole) break;
        starts[n] = at = line;
    }
    if (n == 0) return;
    uint64_t number = grep_number_at(g, at);
    while (n-- > 0) {
        uint64_t end = (n == 0 ? f->line : starts[n - 1]) - 1;
        put_line(j, g, number++, starts[n], end, false);
    }
}

void grep_show_match(struct job *j, struct grep *g) {
    struct grep_file *f = &g->file;
    grep_show_after(j, g, f->line);
    show_before(j, g);
    put_line(j, g, grep_number_at(g, f->line), f->line, f->end, true);
    f->shown = f->end + 1;
    f->after_left = g->after;
}
