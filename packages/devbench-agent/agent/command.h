/* Commands: their table, and what hosts ask of them. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "keeper.h"
#include "limits.h"
#include "loop.h"
#include "spool.h"

enum { SIDE = 2, STREAMS = 3 }; /* stdout is 0, stderr is 1 */

enum kill_phase { KILL_NONE, KILL_TERM, KILL_HARD };

struct command {
    uint8_t state; /* 0: the slot is free; else enum exec_state */
    uint32_t handle;
    uint32_t flags;
    char key[KEY_MAX + 1];
    struct channel *owner;

    /* processes */
    struct watch control; /* from the keeper */
    pid_t keeper, leader;
    bool leader_ended, status_known, empty, keeper_lost;
    int status; /* the leader's, as wait gives it */
    uint64_t began_ns, ended_ns;
    struct usage usage;

    /* being ended */
    enum kill_phase phase;
    uint8_t reason; /* why it is being ended: N_TIMED_OUT, N_CANCELLED, or 0 for leftovers */
    bool stuck;     /* KILL_SECONDS are over */
    bool with_agent; /* it ends because the agent does: that is no ending of its own, and not told as one */
    uint64_t timeout_at, phase_at, kill_since;
    uint64_t hang_up_at; /* a second time, NEVER: no more */
    uint32_t grace_ms;

    /* output */
    struct watch out[STREAMS];
    bool drained[STREAMS];
    bool discarding;
    uint64_t drained_bytes[STREAMS];
    uint32_t report_bytes;   /* of the side stream: seen, and to be read once... */
    uint32_t before[SIDE];   /* ...these bytes of stdout and stderr, which were written before them, have been read */
    uint64_t side_got;       /* count of bytes given to the leader on its side stream */
    uint64_t side_ticks;     /* when the last came, as /proc tells a process's start */
    struct spool spool;
    uint64_t sent, limit; /* of the owner: next offset to send, end of its window */
    uint64_t gather_until; /* small output that follows other output waits for more */
    bool urgent;           /* not now: somebody waits for a report on the side stream */

    int terminal; /* the slave, so that it is not hung up while the command lives; -1: none */

    /* input */
    struct watch input;
    uint8_t *input_bytes; /* ring of STDIN_WINDOW */
    uint64_t input_got, input_done, input_limit, input_end;
    bool input_ended, input_closed;

    /* frames that are due to the owner */
    bool due_started, due_resumed, due_credit, due_ending;
    uint64_t hold_until; /* frames wait for it, so that those of a short command travel together */
    bool finished; /* the ending is known */
    uint8_t failure;
    uint32_t failure_errno;
    const char *failure_message;
    uint32_t leftovers;
};

struct command_counts {
    uint32_t running, ended, highest_handle;
};

extern struct command commands[EXECS_MAX];
extern size_t commands_top; /* no slot at or above it is in use */

struct command *command_find(uint32_t handle);
struct command *command_free_slot(void);
struct command_counts commands_count(void);
void command_note_handle(uint32_t handle);
void command_free(struct command *x);

/* Frames from hosts. */
void command_limit(struct channel *c, const struct frame *f);
void command_start(struct channel *c, const struct frame *f);
void command_stdin(struct channel *c, const struct frame *f);
void command_stdin_eof(struct channel *c, const struct frame *f);
void command_window(struct channel *c, const struct frame *f);
void command_ack(struct channel *c, const struct frame *f);
void command_ended_ack(struct channel *c, const struct frame *f);
void command_resume(struct channel *c, const struct frame *f);
void command_cancel(struct channel *c, const struct frame *f);
void command_signal(struct channel *c, const struct frame *f);
void command_list(struct channel *c, const struct frame *f);
void command_resize(struct channel *c, const struct frame *f);
void command_side_input(struct channel *c, const struct frame *f);

void commands_detach(struct channel *c);
/* Put what is due into the channel's buffer while it has room. */
void commands_pump(struct channel *c);
/* Whether what is due must wait: it has not started, or only just. */
bool command_held(const struct command *x, uint64_t now);
/* Deadlines and endings; returns when to look again. */
uint64_t commands_run(uint64_t now);
/* When output that waits for more must go. */
uint64_t commands_due(uint64_t now);
/* A child of the agent ended (a keeper or not). */
void commands_reaped(pid_t pid);
/* Is it a keeper's? */
struct command *command_by_keeper(pid_t pid);
/* End everything; true when nothing is left. */
void commands_stop(uint32_t grace_ms);
bool commands_all_gone(void);
/* Whether every host has been sent all output and endings of its commands. */
bool commands_all_told(void);
