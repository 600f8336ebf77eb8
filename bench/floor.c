/*
 * floor -od DIRECTORY [--fork] PORT: the least work that a receiver of C-STORE can do.
 *
 * It takes PDUs apart, writes the bytes of each data set to a file, renames it and answers. It accepts
 * every presentation context with the first transfer syntax offered and knows nothing else of DICOM: no
 * data elements, no checks, no names, no file meta information. What a real receiver loses against it
 * is what it does for its users; it must never stand in for one.
 *
 * One association at a time, or with --fork a child process for each.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { ROOM = 1 << 20, SPANS = IOV_MAX, LONGEST_COMMAND = 4096 };

static unsigned char buffer[ROOM];
static struct iovec spans[SPANS];
static int span_count;
static int file = -1;
static unsigned long objects;
static unsigned char command[LONGEST_COMMAND];
static size_t command_length;

static uint32_t big32(const unsigned char *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static void put_big32(unsigned char *p, uint32_t value) {
    p[0] = value >> 24, p[1] = value >> 16, p[2] = value >> 8, p[3] = value;
}

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static int send_all(int peer, const unsigned char *data, size_t length) {
    while (length) {
        ssize_t sent = send(peer, data, length, MSG_NOSIGNAL);
        if (sent < 0) return -1;
        data += sent, length -= sent;
    }
    return 0;
}

/* Write the spans of the buffer that belong to the open file. */
static void flush(void) {
    struct iovec *next = spans;
    while (span_count) {
        ssize_t written = writev(file, next, span_count);
        if (written < 0) fail("writev");
        while (span_count && (size_t)written >= next->iov_len) written -= next->iov_len, next++, span_count--;
        if (span_count) next->iov_base = (char *)next->iov_base + written, next->iov_len -= written;
    }
}

/* Answer an A-ASSOCIATE-RQ with an A-ASSOCIATE-AC that accepts everything; 0 if that went well. */
static int associate(int peer, const unsigned char *body, size_t length) {
    static unsigned char answer[ROOM];
    size_t out = 74, in = 68;
    memset(answer, 0, 74);
    memcpy(answer + 6, body, 68);
    answer[0] = 2;
    while (in + 4 <= length) {
        const unsigned char *item = body + in;
        size_t size = item[2] << 8 | item[3];
        if (item[0] == 0x10) {
            memcpy(answer + out, item, size + 4);
            out += size + 4;
        } else if (item[0] == 0x20) {
            size_t sub = 4;
            while (sub < size && item[4 + sub] != 0x40) sub += 4 + (item[6 + sub] << 8 | item[7 + sub]);
            size_t syntax = 4 + (item[6 + sub] << 8 | item[7 + sub]);
            unsigned char head[8] = {0x21, 0, (4 + syntax) >> 8, 4 + syntax, item[4], 0, 0, 0};
            memcpy(answer + out, head, 8);
            memcpy(answer + out + 8, item + 4 + sub, syntax);
            out += 8 + syntax;
        }
        in += 4 + size;
    }
    static const unsigned char user[] = {0x50, 0, 0, 15, 0x51, 0, 0, 4, 0, 0, 0x40, 0, 0x52, 0, 0, 3, '1', '.', '2'};
    memcpy(answer + out, user, sizeof user);
    out += sizeof user;
    put_big32(answer + 2, out - 6);
    return send_all(peer, answer, out);
}

/* Answer the C-STORE-RQ in `command` with success. */
static int respond(int peer, unsigned char context) {
    unsigned char pdu[LONGEST_COMMAND] = {4, 0, 0, 0, 0, 0, 0, 0, 0, 0, context, 3};
    size_t out = 24, in = 0;
    const unsigned char *instance = NULL;
    size_t instance_size = 0;
    while (in + 8 <= command_length) {
        unsigned number = command[in + 2] | command[in + 3] << 8;
        size_t size = command[in + 4] | command[in + 5] << 8;
        if (number == 0x0002) {
            memcpy(pdu + out, command + in, size + 8);
            static const unsigned char field[] = {0, 0, 0, 1, 2, 0, 0, 0, 1, 0x80};
            memcpy(pdu + out + size + 8, field, sizeof field);
            out += size + 8 + sizeof field;
        } else if (number == 0x0110) {
            memcpy(pdu + out, command + in, size + 8);
            static const unsigned char rest[] = {0, 0, 0, 8, 2, 0, 0, 0, 1, 1, 0, 0, 0, 9, 2, 0, 0, 0, 0, 0};
            pdu[out + 2] = 0x20;
            memcpy(pdu + out + size + 8, rest, sizeof rest);
            out += size + 8 + sizeof rest;
        } else if (number == 0x1000) {
            instance = command + in, instance_size = size + 8;
        }
        in += 8 + size;
    }
    memcpy(pdu + out, instance, instance_size);
    out += instance_size;
    put_big32(pdu + 2, out - 6);
    put_big32(pdu + 6, out - 10);
    unsigned char group[12] = {0, 0, 0, 0, 4, 0, 0, 0, (out - 24), (out - 24) >> 8, 0, 0};
    memcpy(pdu + 12, group, 12);
    return send_all(peer, pdu, out);
}

/* Take one PDV; -1 ends the association. */
static int fragment(int peer, unsigned char *value, size_t length, unsigned char context, unsigned char control) {
    static char hidden[64], name[64];
    if (control & 1) {
        if (command_length + length > LONGEST_COMMAND - 256) return -1;
        memcpy(command + command_length, value, length);
        command_length += length;
        return 0;
    }
    if (file < 0) {
        snprintf(hidden, sizeof hidden, ".%d.%lu", (int)getpid(), objects);
        snprintf(name, sizeof name, "%d.%lu", (int)getpid(), objects++);
        file = open(hidden, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
        if (file < 0) fail(hidden);
    }
    if (span_count == SPANS) flush();
    spans[span_count].iov_base = value;
    spans[span_count++].iov_len = length;
    if (!(control & 2)) return 0;
    flush();
    if (close(file) || rename(hidden, name)) fail(name);
    file = -1;
    int result = respond(peer, context);
    command_length = 0;
    return result;
}

static void serve(int peer) {
    size_t start = 0, end = 0;
    for (;;) {
        /* A PDU that does not fit behind what is there goes to the front, once its forerunners are written. */
        if (start == end) {
            if (file >= 0 && end > ROOM / 2) flush();
            if (!span_count) start = end = 0;
        }
        if (ROOM - end < ROOM / 8) {
            flush();
            memmove(buffer, buffer + start, end - start);
            end -= start, start = 0;
        }
        ssize_t count = recv(peer, buffer + end, ROOM - end, 0);
        if (count <= 0) break;
        end += count;
        while (end - start >= 6) {
            unsigned char *pdu = buffer + start;
            size_t length = big32(pdu + 2);
            if (length + 6 > ROOM / 8) return;
            if (end - start < length + 6) break;
            if (pdu[0] == 4) {
                for (size_t at = 6; at + 6 <= length + 6;) {
                    size_t size = big32(pdu + at);
                    if (size < 2 || at + 4 + size > length + 6) return;
                    if (fragment(peer, pdu + at + 6, size - 2, pdu[at + 4], pdu[at + 5])) return;
                    at += 4 + size;
                }
            } else if (pdu[0] == 1) {
                if (associate(peer, pdu + 6, length)) return;
            } else if (pdu[0] == 5) {
                static const unsigned char released[] = {6, 0, 0, 0, 0, 4, 0, 0, 0, 0};
                send_all(peer, released, sizeof released);
            } else {
                return;
            }
            start += length + 6;
        }
    }
}

/* Wait for children that have ended: their processor time is counted then. */
static void reap(int number) {
    int before = errno;
    (void)number;
    while (waitpid(-1, NULL, WNOHANG) > 0) {}
    errno = before;
}

int main(int count, char **arguments) {
    if (count < 4 || chdir(arguments[2])) fail("usage: floor -od DIRECTORY [--fork] PORT");
    int forking = count > 4, on = 1, listener = socket(AF_INET, SOCK_STREAM, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(atoi(arguments[count - 1]))};
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(listener, (struct sockaddr *)&address, sizeof address) || listen(listener, 50)) fail("listen");
    signal(SIGCHLD, reap);
    for (;;) {
        int peer = accept(listener, NULL, NULL);
        if (peer < 0) {
            if (errno == EINTR) continue;
            fail("accept");
        }
        setsockopt(peer, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        if (!forking || fork() == 0) {
            serve(peer);
            if (forking) _exit(0);
            if (file >= 0) close(file);
            file = -1, span_count = 0, command_length = 0;
        }
        close(peer);
    }
}
