/* Process trees, as /proc shows them. */
#pragma once
#include <stdbool.h>
#include <sys/types.h>

#include "command.h"

/* The last two: what began since the last SIDE_INPUT, without and with background jobs; and the leader, if it handles the
 * signal. */
enum tree_scope { TREE_ALL = 1, TREE_GROUP, TREE_LEADER, TREE_RUN, TREE_RUN_JOBS, TREE_SCOPES = TREE_RUN_JOBS };

bool tree_init(void);
void tree_signal(const struct command *x, int number, enum tree_scope scope);
/* How many processes (zombies not counted) live beneath the command's keeper. */
unsigned tree_count(const struct command *x);
/* One pass of stopping, then killing everything beneath; returns how many were found. */
unsigned tree_kill(const struct command *x);
/* Does this process descend from the agent? Unknown (it is gone) counts as yes. */
bool tree_is_inside(pid_t pid);
