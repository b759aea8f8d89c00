/* From frames to those who handle them. */
#pragma once
#include "channel.h"

void dispatch(struct channel *c, const struct frame *f);
