/* count_from MBOX: count the lines that begin with "From ", reading 1 MB at a time. The floor of counting an mbox. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 1 << 20, KEEP = 5 };
static char buffer[KEEP + STEP];

int main(int argc, char **argv) {
    if (argc != 2) errx(64, "usage: count_from MBOX");
    int in = open(argv[1], O_RDONLY);
    if (in < 0) err(1, "%s", argv[1]);
    memset(buffer, '\n', KEEP);
    long found = 0;
    for (ssize_t n; (n = read(in, buffer + KEEP, STEP)) != 0;) {
        if (n < 0) err(1, "read");
        char *end = buffer + KEEP + n;
        for (char *at = buffer; (at = memmem(at, (size_t)(end - at), "\nFrom ", 6)); at += 6) found++;
        memmove(buffer, end - KEEP, KEEP);
    }
    printf("%ld\n", found);
    return 0;
}
