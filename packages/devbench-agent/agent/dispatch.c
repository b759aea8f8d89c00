#include "dispatch.h"

#include "auth.h"
#include "command.h"
#include "job.h"

static void over(struct channel *c, const struct frame *f) {
    (void)f;
    channel_end(c);
}

static void ping(struct channel *c, const struct frame *f) {
    if (f->n > PING_MAX) {
        channel_error(c, E_MALFORMED, "a PING holds at most 64 bytes");
        return;
    }
    frame_begin(c, F_PONG, f->id);
    put_raw(c, f->payload, f->n);
    frame_end(c);
}

static void pong(struct channel *c, const struct frame *f) {
    if (f->n > PING_MAX) channel_error(c, E_MALFORMED, "a PONG holds at most 64 bytes");
}

typedef void handler(struct channel *c, const struct frame *f);

static handler *const handlers[256] = {
    [F_ERROR] = over,
    [F_GOODBYE] = over,
    [F_PING] = ping,
    [F_PONG] = pong,
    [F_LIMIT] = command_limit,
    [F_START] = command_start,
    [F_STDIN] = command_stdin,
    [F_STDIN_EOF] = command_stdin_eof,
    [F_WINDOW] = command_window,
    [F_ACK] = command_ack,
    [F_ENDED_ACK] = command_ended_ack,
    [F_RESUME] = command_resume,
    [F_CANCEL] = command_cancel,
    [F_SIGNAL] = command_signal,
    [F_LIST] = command_list,
    [F_RESIZE] = command_resize,
    [F_SIDE_INPUT] = command_side_input,
    [F_STAT] = job_request,
    [F_READ] = job_request,
    [F_DATA] = job_data,
    [F_FILE_WINDOW] = job_window,
    [F_WRITE] = job_request,
    [F_WRITE_END] = job_write_end,
    [F_DIR] = job_request,
    [F_DELETE] = job_request,
    [F_MKDIR] = job_request,
    [F_ABORT] = job_abort,
    [F_WATCH] = job_request,
    [F_READ_LINES] = job_request,
    [F_MOVE] = job_request,
    [F_COPY] = job_request,
    [F_CHMOD] = job_request,
    [F_SNAPSHOT] = job_request,
    [F_BATCH] = job_request,
    [F_BATCH_OP] = batch_op,
    [F_BATCH_END] = batch_end,
    [F_FIND] = job_request,
    [F_GREP] = job_request,
};

void dispatch(struct channel *c, const struct frame *f) {
    if (c->state == CH_PENDING && f->type == F_AUTH) {
        auth_answer(c, f);
        return;
    }
    if (c->state == CH_PENDING && (f->type == F_ERROR || f->type == F_GOODBYE)) {
        over(c, f);
        return;
    }
    handler *h = handlers[f->type];
    if (c->state != CH_OPEN || h == NULL) {
        channel_error(c, E_UNEXPECTED, "no such frame is expected here");
        return;
    }
    if (f->id == 0 && f->type >= F_START) {
        channel_error(c, E_MALFORMED, "the id is 0");
        return;
    }
    h(c, f);
}
