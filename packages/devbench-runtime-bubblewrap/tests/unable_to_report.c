/* A bwrap whose report finds no space: its words are those that devbench gives bwrap. */
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv) {
    static char words[1 << 20];
    if (argc < 3) return 2;
    ssize_t size = pread(atoi(argv[2]), words, sizeof words - 1, 0);
    for (char *word = words; word < words + size; word += strlen(word) + 1)
        if (!strcmp(word, "--json-status-fd")) dup2(open("/dev/full", O_WRONLY), atoi(word + strlen(word) + 1));
    execvp("bwrap", argv);
    return 1;
}
