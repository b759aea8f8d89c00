/* Writes a numbered line every millisecond, each tenth to stderr, until USR1 comes; then the last one, and exits with 7.
   Each run of it leaves a mark in the file "runs". */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static volatile sig_atomic_t enough;

static void stop(int number) { (void)number; enough = 1; }

int main(void) {
    struct sigaction action = {.sa_handler = stop, .sa_flags = SA_RESTART};
    sigaction(SIGUSR1, &action, NULL);
    int marks = open("runs", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (marks < 0 || write(marks, "ran\n", 4) != 4) return 1;
    struct timespec next;
    clock_gettime(CLOCK_MONOTONIC, &next);
    long number = 0;
    while (!enough) {
        number++;
        if (dprintf(number % 10 ? 1 : 2, "%ld\n", number) < 0) return 2;
        next.tv_nsec += 1000000;
        if (next.tv_nsec >= 1000000000) { next.tv_nsec -= 1000000000; next.tv_sec++; }
        clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &next, NULL);
    }
    dprintf(1, "end %ld\n", number);
    return 7;
}
