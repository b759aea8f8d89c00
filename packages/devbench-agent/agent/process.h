/* What the agent is as a process: PID 1's duties, its signals, its limits. */
#pragma once
#include <stdbool.h>
#include <sys/resource.h>

/* Once, before anything else runs. False with one line on stderr. */
bool process_init(void);
bool process_watch_signals(void);
struct rlimit process_nofile_before(void);
/* Whether the kernel counts what processes read from and write to block devices. */
bool process_counts_blocks(void);
/* Around a fork, so that the child and not the agent is the one to go when memory is short. */
void process_oom_raise(void);
void process_oom_restore(void);
/* A signal from outside asked the agent to end. */
bool process_stopping(void);
