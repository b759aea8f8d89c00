/* The Unix socket. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

bool listen_open(const char *path);
/* Looks after the socket; returns when to look again. */
uint64_t listen_run(uint64_t now);
void listen_close(void);
