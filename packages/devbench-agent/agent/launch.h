/* The last steps before a program runs, between vfork and exec. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/resource.h>

enum launch_stage { STAGE_NONE, STAGE_DIRECTORY, STAGE_LIMITS, STAGE_FORK, STAGE_EXEC, STAGE_TERMINAL };

#define LAUNCH_SIDE 3

struct launch {
    char **argv, **envp;
    const char *cwd;  /* "": stay */
    const char *path; /* PATH of the command */
    int workspace;    /* relative working directories begin here, -1: none */
    int input, output, errors, control;
    int side; /* becomes the program's descriptor LAUNCH_SIDE, -1: none */
    uint64_t nofile, core;
    int nice;
    bool terminal; /* 0-2 are one, which becomes the command's own */
    struct rlimit nofile_before;
};

struct launch_fault {
    enum launch_stage stage;
    int error;
};

/* Returns only when it failed. Descriptors: 0-2 are the command's own, `workspace` is open. */
void launch_exec(const struct launch *l, volatile struct launch_fault *fault);
