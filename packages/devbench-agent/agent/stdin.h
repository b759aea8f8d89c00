/* A command's standard input: a bounded ring between the host and the pipe. */
#pragma once
#include <stdbool.h>

#include "command.h"

/* Takes the pipe's writing end over (-1: no input). */
bool stdin_open(struct command *x, int fd);
void stdin_close(struct command *x); /* no more is written; the host is told */
void stdin_free(struct command *x);
void stdin_send_credit(struct channel *c, struct command *x);
