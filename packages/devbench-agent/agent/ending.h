/* How commands end: reports of keepers, timeouts, cancels, and the one ending. */
#pragma once
#include "command.h"

void ending_watch(struct command *x, int control);
/* End the tree: TERM, grace, KILL. Reason 0: only what outlived the leader. */
void ending_begin(struct command *x, uint8_t reason, uint32_t grace_ms);
void ending_send(struct channel *c, struct command *x);
void ending_acknowledged(struct command *x);
