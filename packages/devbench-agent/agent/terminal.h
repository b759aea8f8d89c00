/* A command's terminal: a pair of which the agent keeps both ends, the command gets copies of the slave. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "order.h"

/* Both close-on-exec and nobody's controlling terminal. False, with errno, when there is none to be had. */
bool terminal_open(int *master, int *slave, struct size size);
/* Tells the foreground processes (SIGWINCH), if it is another size than before. */
bool terminal_resize(int slave, struct size size);
/* What a person types to say that no input follows, as the terminal is set now; returns how many bytes. `begun`: what
 * was typed before did not end its line. */
#define TERMINAL_END_MAX 2
size_t terminal_end(int slave, bool begun, uint8_t into[TERMINAL_END_MAX]);
