/* The side stream: a socket that the leader has beside its standard descriptors. What it writes there comes as a third
 * stream of output, after everything that was written to the others before; what the host sends there only it reads. */
#pragma once
#include <stdbool.h>

/* The agent's end is the first. */
bool side_open(int pair[2]);
