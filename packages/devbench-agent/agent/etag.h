/* Etags from metadata: see the decision record on etags. */
#pragma once
#include <stdbool.h>
#include <stdint.h>
#include <sys/stat.h>

#include "limits.h"

#define ETAG_TEXT (ETAG_MAX + 1)

void etag_of(const struct stat *st, char text[ETAG_TEXT]);
/* An etag that matches nothing, for a file that does not stop changing. */
void etag_unsettled(char text[ETAG_TEXT]);
/* False while a further change could leave the very same metadata: look again a tick later. */
bool etag_settled(const struct stat *st);
/* Give a file that the agent wrote a modification time that no other change produces. */
bool etag_stamp(int fd);
/* Remember what was stamped, as it is after it got its name. */
void etag_note_own(const struct stat *st);
