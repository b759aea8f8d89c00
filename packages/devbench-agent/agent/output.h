/* A command's output: from its pipes into the spool, from the spool to the owner. */
#pragma once
#include <stdbool.h>

#include "command.h"

/* Takes the reading ends over. */
bool output_open(struct command *x, const int fds[STREAMS]);
void output_free(struct command *x);
/* Read (or stop reading) as the spool's room says; called when anything may have changed. */
void output_settle(struct command *x);
void output_forget(struct command *x, uint64_t offset);
/* Send what the window allows and what need not wait for more; true when all there is was sent. */
bool output_send(struct channel *c, struct command *x, uint64_t now);
/* When what waits for more must go; NEVER when nothing does. */
uint64_t output_due(const struct command *x, uint64_t now);
/* Everything that the leader wrote has been read. */
bool output_drained(const struct command *x);
/* Nothing more will be read that counts. */
void output_give_up(struct command *x);
void output_discard_rest(struct command *x);
