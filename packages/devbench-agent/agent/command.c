/* The table, and the frames that need nothing but it. */
#include "command.h"

#include <string.h>

#include "ending.h"
#include "output.h"
#include "stdin.h"
#include "terminal.h"
#include "tree.h"
#include "util.h"

struct command commands[EXECS_MAX];
size_t commands_top;
static uint32_t highest_handle;

struct command *command_find(uint32_t handle) {
    for (size_t i = 0; i < commands_top; i++)
        if (commands[i].state != 0 && commands[i].handle == handle) return &commands[i];
    return NULL;
}

struct command *command_free_slot(void) {
    for (size_t i = 0; i < EXECS_MAX; i++) {
        if (commands[i].state != 0) continue;
        if (i >= commands_top) commands_top = i + 1;
        return &commands[i];
    }
    return NULL;
}

void command_note_handle(uint32_t handle) {
    if (handle > highest_handle) highest_handle = handle;
}

struct command_counts commands_count(void) {
    struct command_counts n = {0, 0, highest_handle};
    for (size_t i = 0; i < commands_top; i++) {
        n.running += commands[i].state == ST_RUNNING;
        n.ended += commands[i].state == ST_ENDED;
    }
    return n;
}

struct command *command_by_keeper(pid_t pid) {
    for (size_t i = 0; i < commands_top; i++)
        if (commands[i].state != 0 && commands[i].keeper == pid) return &commands[i];
    return NULL;
}

void command_free(struct command *x) {
    output_free(x);
    stdin_free(x);
    x->terminal = close_fd(x->terminal);
    watch_close(&x->control);
    x->state = 0;
    while (commands_top > 0 && commands[commands_top - 1].state == 0) commands_top--;
}

void commands_detach(struct channel *c) {
    for (size_t i = 0; i < commands_top; i++)
        if (commands[i].owner == c) {
            commands[i].owner = NULL;
            /* One that may drop its oldest output now goes on. */
            if (!commands[i].finished && (commands[i].flags & S_DROP)) output_settle(&commands[i]);
        }
}

static bool parse_u64(struct channel *c, const struct frame *f, uint64_t *v) {
    struct rd r = {f->payload, f->n, false};
    *v = rd_u64(&r);
    if (rd_done(&r)) return true;
    channel_error(c, E_MALFORMED, "the payload does not parse");
    return false;
}

void command_window(struct channel *c, const struct frame *f) {
    uint64_t limit;
    if (!parse_u64(c, f, &limit)) return;
    struct command *x = command_find(f->id);
    if (x != NULL && x->owner == c && limit > x->limit) x->limit = limit;
}

void command_ack(struct channel *c, const struct frame *f) {
    uint64_t offset;
    if (!parse_u64(c, f, &offset)) return;
    struct command *x = command_find(f->id);
    if (x == NULL || x->owner != c) return;
    if (offset > x->sent) {
        channel_error(c, E_MALFORMED, "ACK beyond what was sent");
        return;
    }
    output_forget(x, offset);
}

void command_ended_ack(struct channel *c, const struct frame *f) {
    if (f->n != 0) {
        channel_error(c, E_MALFORMED, "ENDED_ACK has no payload");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL || x->owner != c || x->state == ST_LEFTOVERS) return;
    if (!x->finished) {
        channel_error(c, E_MALFORMED, "ENDED_ACK before the end");
        return;
    }
    ending_acknowledged(x);
}

void command_resume(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint64_t offset = rd_u64(&r);
    uint64_t limit = rd_u64(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "RESUME does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL) {
        channel_refuse(c, f, R_NOT_FOUND, "no such exec");
        return;
    }
    if (offset > x->spool.next) {
        channel_refuse(c, f, R_INVALID, "the offset is beyond the output");
        return;
    }
    if (x->owner != NULL && x->owner != c) {
        frame_begin(x->owner, F_DETACHED, x->handle);
        frame_end(x->owner);
    }
    x->owner = c;
    x->sent = offset;
    x->limit = limit;
    x->due_resumed = true;
    x->due_started = x->due_started && x->leader == 0 && !x->finished;
    x->due_credit = false;
    x->due_ending = x->finished && x->state != ST_LEFTOVERS;
}

void command_cancel(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint32_t grace_ms = rd_u32(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "CANCEL does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL) {
        channel_refuse(c, f, R_NOT_FOUND, "no such exec");
        return;
    }
    ending_begin(x, x->leader_ended ? 0 : N_CANCELLED, grace_ms);
}

void command_signal(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint8_t number = rd_u8(&r);
    uint8_t scope = rd_u8(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "SIGNAL does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL) {
        channel_refuse(c, f, R_NOT_FOUND, "no such exec");
        return;
    }
    if (number < 1 || number > 64 || scope < 1 || scope > TREE_SCOPES || (scope > TREE_LEADER && !(x->flags & S_SIDE))) {
        channel_refuse(c, f, R_INVALID, "no such signal or scope");
        return;
    }
    if (x->leader_ended || x->leader == 0) return;
    tree_signal(x, number, (enum tree_scope)scope);
}

void command_limit(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    uint32_t running = rd_u32(&r);
    if (f->id == 0 && rd_done(&r)) c->running_max = running;
    else channel_error(c, E_MALFORMED, "LIMIT does not parse");
}

void command_resize(struct channel *c, const struct frame *f) {
    struct rd r = {f->payload, f->n, false};
    struct size size;
    size.columns = rd_u16(&r);
    size.rows = rd_u16(&r);
    if (!rd_done(&r)) {
        channel_error(c, E_MALFORMED, "RESIZE does not parse");
        return;
    }
    struct command *x = command_find(f->id);
    if (x == NULL) channel_refuse(c, f, R_NOT_FOUND, "no such exec");
    else if (size.columns == 0 || size.rows == 0) channel_refuse(c, f, R_INVALID, "a terminal has columns and rows");
    else if (!(x->flags & S_TTY)) channel_refuse(c, f, R_INVALID, "the command has no terminal");
    else if (x->terminal >= 0 && !terminal_resize(x->terminal, size))
        channel_refuse(c, f, R_INVALID, "the terminal does not take the size");
}

static void put_entry(struct channel *c, const struct command *x) {
    put_u32(c, x->handle);
    put_u8(c, x->state);
    put_u32(c, (uint32_t)x->leader);
    put_u64(c, x->spool.first);
    put_u64(c, x->spool.next);
    put_str(c, x->key);
}

void command_list(struct channel *c, const struct frame *f) {
    if (f->n != 0) {
        channel_error(c, E_MALFORMED, "LIST has no payload");
        return;
    }
    /* EXECS_MAX entries are about 30 KiB: one frame always holds them. */
    uint16_t n = 0;
    for (size_t i = 0; i < commands_top; i++) n = (uint16_t)(n + (commands[i].state != 0));
    frame_begin(c, F_EXECS, f->id);
    put_u8(c, 1);
    put_u16(c, n);
    for (size_t i = 0; i < commands_top; i++)
        if (commands[i].state != 0) put_entry(c, &commands[i]);
    frame_end(c);
}

/* ---- frames to the owner ---- */

static void pump_resumed(struct channel *c, struct command *x) {
    frame_begin(c, F_RESUMED, x->handle);
    put_u8(c, x->state);
    put_u32(c, (uint32_t)x->leader);
    put_u64(c, x->spool.first);
    put_u64(c, x->spool.next);
    put_u64(c, x->input_got);
    put_u64(c, x->input_limit);
    put_u8(c, x->input_closed);
    put_str(c, x->key);
    frame_end(c);
    x->due_resumed = false;
}

static void pump_started(struct channel *c, struct command *x) {
    frame_begin(c, F_STARTED, x->handle);
    put_u32(c, (uint32_t)x->leader);
    frame_end(c);
    x->due_started = false;
}

bool command_held(const struct command *x, uint64_t now) {
    return !x->finished && (x->leader == 0 || now < x->hold_until);
}

static void pump_one(struct channel *c, struct command *x, uint64_t now) {
    if (x->due_resumed) pump_resumed(c, x);
    if (x->due_credit) stdin_send_credit(c, x);
    if (command_held(x, now)) return;
    if (x->due_started) pump_started(c, x);
    bool all_sent = x->state != ST_LEFTOVERS && output_send(c, x, now);
    if (x->due_ending && all_sent && !x->with_agent) ending_send(c, x);
}

uint64_t commands_due(uint64_t now) {
    uint64_t next = NEVER;
    for (size_t i = 0; i < commands_top; i++) {
        const struct command *x = &commands[i];
        if (x->state == 0 || x->state == ST_LEFTOVERS || x->owner == NULL || command_held(x, now)) continue;
        uint64_t at = output_due(x, now);
        if (at < next) next = at;
    }
    return next;
}

void commands_pump(struct channel *c) {
    static size_t turn; /* so that one loud command does not starve the rest */
    size_t top = commands_top;
    uint64_t now = now_ns();
    for (size_t i = 0; i < top && channel_has_room(c); i++) {
        struct command *x = &commands[(turn + i) % top];
        if (x->state != 0 && x->owner == c) pump_one(c, x, now);
    }
    turn++;
}
