/* Batches: changes that happen all or not at all. See the decision record on batches for why it is done so.
 *
 * A batch is within one root. Its new contents wait in a staging folder right in that, each under its operation's
 * number; beside them is the journal, which holds the operations in their order. The journal's name is the batch's
 * state. */
#pragma once
#include "job.h"

#define BATCH_PREFIX TEMP_PREFIX "batch-"
#define JOURNAL_OPEN "journal"
#define JOURNAL_COMMITTED "committed"
#define JOURNAL_OVER "over"
#define STAGED_NAME 16

enum batch_kind { B_WRITE = 1, B_LINK, B_HARD_LINK, B_DELETE, B_MKDIR, B_MOVE, B_DRESS, B_KINDS };
enum batch_flag { B_CREATE = 1, B_IF_MATCH = 2, B_NO_FOLLOW = 4, B_RECURSIVE = 8, B_MAY_EXIST = 16, B_REPLACE = 32, B_ALL = 63 };
enum batch_option { B_DURABLE = 1, B_QUIET = 2, B_OPTIONS = 3 };

enum batch_stage {
    BATCH_BEGIN, BATCH_GATHER, BATCH_FLUSH, BATCH_CHECK, BATCH_COMMIT, BATCH_FLUSH_COMMIT, BATCH_APPLY, BATCH_FLUSH_APPLIED,
    BATCH_APPLIED, BATCH_UNDO, BATCH_UNDONE, BATCH_TELL, BATCH_SETTLE, BATCH_CLEAN, BATCH_ANSWER, BATCH_FIND, BATCH_OVER,
};

/* What stood there before, noted where only that tells afterwards whether an operation was carried out. */
struct before {
    uint64_t ino, other_ino;
    int64_t mtime_s, mtime_ns;
    uint32_t mode, noted;
};

/* One operation in the journal: this up to its texts, each with its NUL, and then `bytes` once more, to be read from
 * behind. The container's user can write there: nothing in it is trusted further than what that user may do anyway. */
struct record {
    uint32_t bytes, index;
    uint32_t kind, flags, mode;
    uint16_t path_n, other_n, match_n, reserved;
    int64_t mtime_ns;
    uint64_t ino, size; /* of what is staged */
    int64_t staged_s, staged_ns;
    struct before before;
    char text[2 * (PATH_BYTES + 1) + ETAG_MAX + 1 + sizeof(uint32_t)];
};

struct batch {
    struct record r; /* the operation in hand */
    int journal;
    uint64_t at, end; /* bytes: where the operation in hand is, where the journal ends */
    uint32_t count;
    uint64_t left; /* bytes of content that the last operation still waits for */
    bool receiving, recovering, cleaning, failed, blind;
    uint8_t code;
    int error;
    uint32_t failed_index;
    uint64_t failed_at;
    char message[64];
    dev_t dev;
    int64_t scanned; /* recovering: position in the root's listing */
    size_t root;     /* in which it is; recovering: the one that is looked at */
    bool looked;     /* recovering: the next was found out */
    struct stat own; /* what a file of ours looks like in this root */
    uint32_t *touched;
    uint32_t slots, used;
};

static inline struct batch *batch_of(const struct job *j) { return j->map; }
static inline const char *record_path(const struct record *r) { return r->text; }
static inline const char *record_other(const struct record *r) { return r->text + r->path_n + 1; }
static inline const char *record_match(const struct record *r) { return r->text + r->path_n + 1 + r->other_n + 1; }

/* Named places at which tests end the agent; nothing in what is shipped. */
#ifdef BATCH_KILL_POINTS
void batch_point(const char *name);
#else
static inline void batch_point(const char *name) { (void)name; }
#endif

/* The journal. All give false with errno. */
bool journal_append(struct batch *b, const char *path, size_t path_n, const char *other, size_t other_n, const char *match,
                    size_t match_n);
bool journal_load(struct batch *b, uint64_t at);
bool journal_previous(struct batch *b); /* errno 0 at the beginning */
bool journal_note(struct batch *b, const struct before *before);

void staged_name(uint32_t index, char name[STAGED_NAME]);
void kept_name(uint32_t index, char name[STAGED_NAME]);

/* What each does with the operation in hand: 0 or an errno. */
int batch_check(struct job *j);
int batch_apply(struct job *j);
void batch_undo(struct job *j);
void batch_result(struct job *j, struct stat *st, bool *created, int *folder, char leaf[NAME_BYTES + 1]);

int batch_place(const struct record *r, char leaf[NAME_BYTES + 1]);
int batch_look(const struct record *r, int folder, const char *leaf, struct stat *st, bool *absent);
bool batch_empty(int folder, const char *name);

/* Which paths earlier operations of the batch change: what looks wrong there may be right when its turn comes. */
bool touched_init(struct batch *b);
void touched_add(struct batch *b);
bool touched_before(const struct batch *b);
void touched_free(struct batch *b);

bool stage_content(struct job *j, const uint8_t *p, size_t n);
int stage_operation(struct job *j);
int stage_file_done(struct job *j);
