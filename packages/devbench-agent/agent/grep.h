/* GREP: a page of what a pattern matches in the files of a tree, or in one file. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#include "rx.h"
#include "search.h"

enum grep_mode { GREP_LINES_MODE = 1, GREP_NAMES, GREP_COUNTS };
enum grep_flag { GREP_LITERAL = 4, GREP_IGNORE_CASE = 8, GREP_WORD = 16, GREP_FLAGS = 31 };
#define GREP_FILE_DONE UINT64_MAX

enum scan { SCAN_FILL, SCAN_LOOK, SCAN_LINE, SCAN_COLUMN, SCAN_SHOW, SCAN_SKIP };

/* All places are counted from the file's begin; the buffer holds those from `base` on. */
struct grep_file {
    enum scan scan, resume; /* resume: behind SCAN_FILL */
    int fd;
    bool eof, told, settled, streaming; /* streaming: its lines do not fit into the buffer */
    bool base_whole; /* a line begins at `base` */
    bool cut; /* the end of the matched line is not known */
    struct stat st;
    uint64_t from, from_number; /* where it was begun */
    uint64_t base, at;     /* at: what was looked at so far */
    uint64_t line;         /* where the line that `at` is in begins */
    uint64_t hit, end;     /* of a match: where it was seen, and the end of its line */
    uint64_t column;       /* its first byte within the line */
    uint64_t counted, number; /* the line that begins at `counted` has this number */
    uint64_t shown;        /* lines before this were shown, or are gone */
    uint32_t after_left;   /* lines that are to be shown after the last match */
    uint64_t count;
    uint32_t state;        /* of the automaton */
    uint64_t back_from;    /* going back for the column: where it is */
    size_t first;
    size_t n;
};

struct grep {
    struct search search;
    uint8_t mode;
    uint16_t before, after;
    uint32_t matches, line_bytes, text_bytes;
    uint64_t file_bytes, from, from_line;
    uint32_t pattern_n;
    char pattern[RX_PATTERN];
    bool single, full; /* single: the asked path is a file */
    uint32_t matched;
    uint64_t text, files, binary, large;
    struct grep_file file;
    uint16_t frame_lines; /* in the frame of lines that is being built */
    bool frame_open;
    char path[PATH_BYTES + 1];
    struct rx rx;
    uint8_t bytes[GREP_BUFFER];
};

enum taken { TAKEN_MORE, TAKEN_WAIT, TAKEN_FILE_OVER, TAKEN_PAGE_OVER, TAKEN_FAILED };

/* Begin in a file from a place on; fd is taken over. */
void grep_open(struct grep *g, int fd, const struct stat *st, uint64_t from, uint64_t number);
enum taken grep_take(struct job *j, struct grep *g);
void grep_close(struct job *j, struct grep *g);

/* ---- showing (grep_show.c) ---- */
void grep_tell_file(struct job *j, struct grep *g, uint64_t count);
void grep_show_match(struct job *j, struct grep *g);
/* Lines after the last match, as far as they were looked at. */
void grep_show_after(struct job *j, struct grep *g, uint64_t upto);
void grep_close_frame(struct job *j, struct grep *g);
uint64_t grep_number_at(struct grep *g, uint64_t line);
