/* `devbench-agent connect`: bytes between the standard streams and the agent's socket. */
#pragma once
#include <sys/types.h>

int bridge(const char *path, pid_t peer);
