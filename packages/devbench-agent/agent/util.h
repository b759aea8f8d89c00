/* Small helpers: time, randomness, private memory, reading of big-endian payloads. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define NS_PER_MS 1000000ull
#define NS_PER_S 1000000000ull
#define NEVER UINT64_MAX
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

uint64_t now_ns(void);
bool random_fill(void *into, size_t n);
/* Memory that no forked process sees, zeroed, paged in when touched. NULL when there is none. */
void *private_map(size_t n);
void private_unmap(void *p, size_t n);
void wipe(void *p, size_t n);
int close_fd(int fd); /* closes when fd >= 0; returns -1 for assignment */
void note_fd(int fd); /* remembers the highest, for close_from where the kernel cannot do it */
void close_from(int first); /* this descriptor and all above it */
bool set_nonblocking(int fd);
void hex(const uint8_t *bytes, size_t n, char *out);

struct rd {
    const uint8_t *p;
    size_t n;
    bool bad;
};
struct str {
    const char *p;
    uint32_t n;
};
uint8_t rd_u8(struct rd *r);
uint16_t rd_u16(struct rd *r);
uint32_t rd_u32(struct rd *r);
uint64_t rd_u64(struct rd *r);
const uint8_t *rd_raw(struct rd *r, size_t n);
struct str rd_str(struct rd *r, uint32_t max); /* no NUL inside, at most max bytes, else bad */
bool rd_done(const struct rd *r);              /* everything parsed and used up */
