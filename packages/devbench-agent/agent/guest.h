/* A guest: an agent that is not PID 1 but was started beside it, for the commands of another user. */
#pragma once
#include <stdbool.h>

/* Before anything else runs. Refuses where no agent is PID 1; ends whatever an earlier guest of this user left, so that
 * no process of this user lives but those that the engine starts. False with errno. */
bool guest_begin(void);
/* Nobody claimed it, and whoever started it is gone: nobody can ever use it. */
bool guest_is_forsaken(void);
