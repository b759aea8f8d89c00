#include "util.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#ifndef SYS_close_range
#define SYS_close_range 436
#endif
#define FD_MARGIN 32 /* for what is open only for a moment */

static int highest_fd;

uint64_t now_ns(void) {
    struct timespec t;
    if (clock_gettime(CLOCK_MONOTONIC, &t) != 0) return 0;
    return (uint64_t)t.tv_sec * NS_PER_S + (uint64_t)t.tv_nsec;
}

bool random_fill(void *into, size_t n) {
    uint8_t *p = into;
    while (n > 0) {
        ssize_t got = getrandom(p, n, 0);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) return false;
        p += got;
        n -= (size_t)got;
    }
    return true;
}

void *private_map(size_t n) {
    void *p = mmap(NULL, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    if (madvise(p, n, MADV_DONTFORK) != 0) {
        private_unmap(p, n);
        return NULL;
    }
    return p;
}

void private_unmap(void *p, size_t n) {
    if (p != NULL && munmap(p, n) != 0) wipe(p, n);
}

void wipe(void *p, size_t n) {
    volatile uint8_t *v = p;
    while (n-- > 0) *v++ = 0;
}

int close_fd(int fd) {
    /* On Linux the descriptor is gone even when close reports an error. */
    if (fd >= 0) (void)close(fd);
    return -1;
}

void note_fd(int fd) {
    if (fd > highest_fd) highest_fd = fd;
}

void close_from(int first) {
    if (syscall(SYS_close_range, (unsigned)first, ~0u, 0u) == 0) return;
    /* Kernels and filters without the call. The list in /proc is not readable for a process that is not dumpable. */
    for (int fd = first; fd <= highest_fd + FD_MARGIN; fd++) (void)close(fd);
}

bool set_nonblocking(int fd) {
    int flags = fcntl(fd, F_GETFL);
    return flags >= 0 && fcntl(fd, F_SETFL, flags | O_NONBLOCK) == 0;
}

void hex(const uint8_t *bytes, size_t n, char *out) {
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        out[2 * i] = digits[bytes[i] >> 4];
        out[2 * i + 1] = digits[bytes[i] & 15];
    }
    out[2 * n] = 0;
}

const uint8_t *rd_raw(struct rd *r, size_t n) {
    if (r->bad || r->n < n) {
        r->bad = true;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += n;
    r->n -= n;
    return p;
}

static uint64_t rd_int(struct rd *r, size_t n) {
    const uint8_t *p = rd_raw(r, n);
    uint64_t v = 0;
    if (p == NULL) return 0;
    for (size_t i = 0; i < n; i++) v = v << 8 | p[i];
    return v;
}

uint8_t rd_u8(struct rd *r) { return (uint8_t)rd_int(r, 1); }
uint16_t rd_u16(struct rd *r) { return (uint16_t)rd_int(r, 2); }
uint32_t rd_u32(struct rd *r) { return (uint32_t)rd_int(r, 4); }
uint64_t rd_u64(struct rd *r) { return rd_int(r, 8); }

struct str rd_str(struct rd *r, uint32_t max) {
    uint32_t n = rd_u32(r);
    if (n > max) r->bad = true;
    const uint8_t *p = rd_raw(r, n);
    if (p == NULL || memchr(p, 0, n) != NULL) {
        r->bad = true;
        return (struct str){.p = "", .n = 0};
    }
    return (struct str){.p = (const char *)p, .n = n};
}

bool rd_done(const struct rd *r) { return !r->bad && r->n == 0; }
