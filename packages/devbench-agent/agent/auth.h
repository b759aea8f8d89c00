/* The handshake: who may speak. */
#pragma once
#include <stdbool.h>

#include "channel.h"

bool auth_init(void);
void auth_hello(struct channel *c);
void auth_answer(struct channel *c, const struct frame *f);
