/* The last steps before a program runs, between vfork and exec. */
#pragma once
#include "keeper.h"

struct launch_fault {
    enum launch_stage stage;
    int error;
};

/* Returns only when it failed. Descriptors: 0-2 are the command's own, `workspace` is open. */
void launch_exec(const struct launch *l, volatile struct launch_fault *fault);
