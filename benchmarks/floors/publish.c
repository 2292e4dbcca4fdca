/* publish MBOX DIR: split MBOX at lines that begin with "From " and make a Maildir of it: create in tmp, write, close,
   rename to cur; one syncfs at the end. The floor of mbox -> Maildir. */
#define _GNU_SOURCE
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

int main(int argc, char **argv) {
    if (argc != 3) errx(64, "usage: publish MBOX DIR");
    int in = open(argv[1], O_RDONLY);
    struct stat st;
    if (in < 0 || fstat(in, &st) < 0) err(1, "%s", argv[1]);
    const char *mail = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE | MAP_POPULATE, in, 0);
    if (mail == MAP_FAILED) err(1, "mmap");
    if (mkdir(argv[2], 0777) < 0 || chdir(argv[2]) < 0) err(1, "%s", argv[2]);
    if (mkdir("tmp", 0777) < 0 || mkdir("new", 0777) < 0 || mkdir("cur", 0777) < 0) err(1, "mkdir");
    int root = open(".", O_RDONLY | O_DIRECTORY), tmp = open("tmp", O_RDONLY), cur = open("cur", O_RDONLY);
    const char *end = mail + st.st_size;
    long number = 0;
    for (const char *at = mail; at < end;) {
        const char *line = memchr(at, '\n', (size_t)(end - at));
        if (!line) break;
        const char *body = line + 1, *next = memmem(line, (size_t)(end - line), "\nFrom ", 6);
        const char *stop = next ? next : end - 1;
        char name[64];
        snprintf(name, sizeof name, "1700000000.M%06ldP1.floor,S=%ld:2,S", number++, (long)(stop - body));
        int out = openat(tmp, name, O_WRONLY | O_CREAT | O_EXCL, 0666);
        if (out < 0) err(1, "%s", name);
        for (const char *from = body; from < stop;) {
            ssize_t n = write(out, from, (size_t)(stop - from));
            if (n < 0) err(1, "write");
            from += n;
        }
        close(out);
        if (renameat(tmp, name, cur, name) < 0) err(1, "rename");
        at = next ? next + 1 : end;
    }
    if (syncfs(root) < 0) err(1, "syncfs");
    printf("%ld\n", number);
    return 0;
}
