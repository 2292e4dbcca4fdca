/* cat_maildir DIR OUT: copy every file of DIR/new and DIR/cur to OUT, one after the other, then fsync OUT.
   "-" as OUT reads them all and writes nowhere. The floor of Maildir -> mbox. */
#define _GNU_SOURCE
#include <dirent.h>
#include <err.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { BUFFER = 1 << 20 };
static char buffer[BUFFER];
static size_t filled;
static int out = -1;

static void flush(void) {
    for (size_t done = 0; out >= 0 && done < filled;) {
        ssize_t n = write(out, buffer + done, filled - done);
        if (n < 0) err(1, "write");
        done += (size_t)n;
    }
    filled = 0;
}

int main(int argc, char **argv) {
    if (argc != 3) errx(64, "usage: cat_maildir DIR OUT");
    if (strcmp(argv[2], "-") != 0 && (out = open(argv[2], O_WRONLY | O_CREAT | O_TRUNC, 0666)) < 0) err(1, "%s", argv[2]);
    const char *subs[] = {"new", "cur"};
    long files = 0;
    for (int s = 0; s < 2; s++) {
        char path[4096];
        snprintf(path, sizeof path, "%s/%s", argv[1], subs[s]);
        DIR *dir = opendir(path);
        if (!dir) err(1, "%s", path);
        for (struct dirent *entry; (entry = readdir(dir));) {
            if (entry->d_name[0] == '.') continue;
            int in = openat(dirfd(dir), entry->d_name, O_RDONLY | O_NOFOLLOW);
            if (in < 0) err(1, "%s", entry->d_name);
            for (;;) {
                if (filled == BUFFER) flush();
                ssize_t n = read(in, buffer + filled, BUFFER - filled);
                if (n < 0) err(1, "%s", entry->d_name);
                if (n == 0) break;
                filled += (size_t)n;
            }
            close(in);
            files++;
        }
        closedir(dir);
    }
    flush();
    if (out >= 0 && fsync(out) < 0) err(1, "fsync");
    printf("%ld\n", files);
    return 0;
}
