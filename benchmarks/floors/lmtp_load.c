/* lmtp_load ADDRESS COUNT CONNECTIONS MAILBOXES: send mails to an LMTP server; prints how many and the seconds.

   The same load as probes/lmtp_load.py, at a small part of its processor time: what is measured is the server.
   ADDRESS is unix:PATH. Every mail has about 4 KB and one recipient, box<n>@bench.example. MAIL, RCPT and DATA go out
   together, as RFC 2920 allows where the server says PIPELINING, which is taken for granted. Whatever is not answered
   250 ends the run: it counts durable deliveries only. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { GREETING, HELLO, ENVELOPE, CONTENT, OVER };

struct sender {
    int fd, state, finals, length;
    char code[4];
    char line[1024];
};

static char body[8192];
static int body_length, count, boxes, taken, done;

static void die(const char *what) {
    fprintf(stderr, "lmtp_load: %s\n", what);
    exit(1);
}

static void put(struct sender *one, const char *data, int length) {
    while (length > 0) {
        int written = write(one->fd, data, length);
        if (written <= 0) die("cannot write");
        data += written;
        length -= written;
    }
}

static void begin(struct sender *one) {
    char text[256];
    if (taken == count) {
        one->state = OVER;
        return;
    }
    taken++;
    int length = snprintf(text, sizeof text,
        "MAIL FROM:<sender@example.org>\r\nRCPT TO:<box%d@bench.example>\r\nDATA\r\n", taken % boxes);
    one->state = ENVELOPE;
    one->finals = 3;
    put(one, text, length);
}

static void content(struct sender *one) {
    char text[16384];
    int length = snprintf(text, 512,
        "From: sender@example.org\r\nSubject: %d\r\nMessage-ID: <%d@bench.example>\r\n\r\n", taken, taken);
    memcpy(text + length, body, body_length);
    length += body_length;
    memcpy(text + length, ".\r\n", 3);
    one->state = CONTENT;
    one->finals = 1;
    put(one, text, length + 3);
}

/* The last of the replies that were awaited has come: go on. */
static void advance(struct sender *one) {
    static const char *expected[] = {"220", "250", "354", "250"};
    if (strcmp(one->code, expected[one->state])) {
        one->line[strcspn(one->line, "\r")] = 0;
        die(one->line);
    }
    switch (one->state) {
    case GREETING:
        one->state = HELLO;
        one->finals = 1;
        put(one, "LHLO bench.example\r\n", 20);
        break;
    case ENVELOPE:
        content(one);
        break;
    case CONTENT:
        done++;
        begin(one);
        break;
    default:
        begin(one);
    }
}

static void take(struct sender *one) {
    char data[65536];
    int length = read(one->fd, data, sizeof data);
    if (length <= 0) die("the server closed a connection");
    for (int at = 0; at < length; at++) {
        if (one->length < (int)sizeof one->line - 1) one->line[one->length++] = data[at];
        if (data[at] != '\n') continue;
        one->line[one->length] = 0;
        one->length = 0;
        if (one->line[3] == '-') continue;
        memcpy(one->code, one->line, 3);
        if (--one->finals == 0) advance(one);
    }
}

int main(int argc, char **argv) {
    if (argc != 5 || strncmp(argv[1], "unix:", 5)) die("ADDRESS COUNT CONNECTIONS MAILBOXES");
    count = atoi(argv[2]);
    int connections = atoi(argv[3]), open_ones = connections;
    boxes = atoi(argv[4]);
    for (int n = 0; n < 48; n++)
        body_length += sprintf(body + body_length,
            "line %03d of a message that is about four kilobytes long, as most of them are\r\n", n);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[1] + 5, sizeof address.sun_path - 1);
    struct sender *senders = calloc(connections, sizeof *senders);
    struct epoll_event events[64];
    struct timespec start, end;
    int epoll = epoll_create1(0);
    clock_gettime(CLOCK_MONOTONIC, &start);
    for (int n = 0; n < connections; n++) {
        senders[n].fd = socket(AF_UNIX, SOCK_STREAM, 0);
        senders[n].finals = 1;
        if (connect(senders[n].fd, (struct sockaddr *)&address, sizeof address)) die("cannot connect");
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &senders[n]};
        epoll_ctl(epoll, EPOLL_CTL_ADD, senders[n].fd, &event);
    }
    while (open_ones > 0) {
        int ready = epoll_wait(epoll, events, 64, -1);
        for (int n = 0; n < ready; n++) {
            struct sender *one = events[n].data.ptr;
            take(one);
            if (one->state == OVER) {
                close(one->fd);
                open_ones--;
            }
        }
    }
    clock_gettime(CLOCK_MONOTONIC, &end);
    printf("%d %.6f\n", done, (end.tv_sec - start.tv_sec) + (end.tv_nsec - start.tv_nsec) / 1e9);
    return 0;
}
