/* The keeper: a fork of the agent that starts one command and stays the ancestor of whatever comes of it. */
#pragma once
#include <stdint.h>
#include <sys/resource.h>
#include <sys/types.h>

enum report_kind { K_STARTED = 1, K_FAILED, K_ENDED, K_EMPTY };
enum launch_stage { STAGE_NONE, STAGE_DIRECTORY, STAGE_LIMITS, STAGE_FORK, STAGE_EXEC };

struct report {
    uint32_t kind;
    int32_t pid;
    int32_t status; /* as wait gives it */
    int32_t error;
    uint32_t stage;
    uint32_t empty; /* no child is left */
    uint64_t at_ns, user_us, system_us, rss_bytes;
};

struct launch {
    char **argv, **envp;
    const char *cwd;  /* "": stay */
    const char *path; /* PATH of the command */
    int workspace;    /* relative working directories begin here, -1: none */
    int input, output, errors, control;
    uint64_t nofile, core;
    int nice;
    struct rlimit nofile_before;
};

_Noreturn void keeper_main(const struct launch *l);
