/* Giving something a name that others see, also where its own is taken. */
#pragma once

/* Moves it to `name`, or where something else has that to a free one that begins so: NAME.left-0123456789abcdef. 0, or -1
 * with errno. */
int aside_move(int folder, const char *from, int to_folder, const char *name);
