#include "terminal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#include "util.h"

#ifndef TIOCGPTPEER
#define TIOCGPTPEER _IO('T', 0x41)
#endif

#define CONTROL_D 4

static int open_master(void) {
    int fd = open("/dev/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd >= 0 || errno != ENOENT ? fd : open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* By the master itself, so that no name can lead elsewhere; by its name where the kernel has no such call. */
static int open_slave(int master) {
    char path[32];
    int fd = ioctl(master, TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fd >= 0 || (errno != EINVAL && errno != ENOTTY)) return fd;
    if (ptsname_r(master, path, sizeof path) != 0) return -1;
    return open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
}

/* Erasing in a line takes whole characters. */
static bool set_modes(int slave) {
    struct termios modes;
    if (tcgetattr(slave, &modes) != 0) return false;
    modes.c_iflag |= IUTF8;
    return tcsetattr(slave, TCSANOW, &modes) == 0;
}

bool terminal_open(int *master, int *slave, struct size size) {
    int unlocked = 0;
    *slave = -1;
    *master = open_master();
    if (*master < 0) return false;
    note_fd(*master);
    if (ioctl(*master, TIOCSPTLCK, &unlocked) == 0) *slave = open_slave(*master);
    note_fd(*slave);
    if (*slave >= 0 && set_modes(*slave) && terminal_resize(*slave, size)) return true;
    int error = errno;
    *master = close_fd(*master);
    *slave = close_fd(*slave);
    errno = error;
    return false;
}

bool terminal_resize(int slave, struct size size) {
    struct winsize window = {.ws_col = size.columns, .ws_row = size.rows};
    return ioctl(slave, TIOCSWINSZ, &window) == 0;
}

size_t terminal_end(int slave, bool begun, uint8_t into[TERMINAL_END_MAX]) {
    struct termios modes;
    bool known = tcgetattr(slave, &modes) == 0;
    into[0] = into[1] = known && modes.c_cc[VEOF] != _POSIX_VDISABLE ? modes.c_cc[VEOF] : CONTROL_D;
    /* In a line the first one only hands over what was typed of it. */
    return begun && known && (modes.c_lflag & ICANON) ? 2 : 1;
}
