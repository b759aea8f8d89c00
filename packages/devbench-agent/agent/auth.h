/* The handshake: who may speak. */
#pragma once
#include <stdbool.h>

#include "channel.h"

bool auth_init(void);
/* For an agent beside which other processes live: over its socket anybody could be first. */
void auth_claim_by_stdio_only(void);
bool auth_is_claimed(void);
void auth_hello(struct channel *c);
void auth_answer(struct channel *c, const struct frame *f);
