#include "aside.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "exchange.h"
#include "job.h"

#define MARK ".left-"
#define DIGITS 16u

static size_t kept_of(const char *name) {
    size_t most = NAME_BYTES - (sizeof MARK - 1) - DIGITS;
    size_t n = strlen(name);
    if (n <= most) return n;
    for (n = most; n > 0 && ((unsigned char)name[n] & 0xC0u) == 0x80u;) n--; /* no character is cut */
    return n;
}

int aside_move(int folder, const char *from, int to_folder, const char *name) {
    char random[TEMP_NAME];
    char free_name[NAME_BYTES + 1];
    if (exchange_move(folder, from, to_folder, name) == 0) return 0;
    if (errno != EEXIST) return -1;
    job_temp_name(random);
    const char *digits = random + sizeof TEMP_PREFIX - 1;
    (void)snprintf(free_name, sizeof free_name, "%.*s" MARK "%s", (int)kept_of(name), name, digits);
    return exchange_move(folder, from, to_folder, free_name);
}
