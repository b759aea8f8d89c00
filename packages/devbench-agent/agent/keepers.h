/* Keepers without a command. Starting one costs no fork, and its end no process; after a while they are let go. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "channel.h"
#include "keeper.h"

/* Hand a START to one of them with the command's descriptors: its pid, and its socket in *control; 0: none could
 * take it. */
pid_t keepers_use(const struct frame *f, const int fds[HANDED_FDS], int *control);
/* One whose command left nothing; takes its socket over. */
void keepers_rest(pid_t pid, int control);
void keepers_reaped(pid_t pid);
bool keepers_own(pid_t pid);
/* By slot, below KEEPERS_SPARE; 0: none. */
pid_t keepers_at(size_t slot);
/* Let those go that nobody needed for long; returns when to look again. */
uint64_t keepers_run(uint64_t now);
