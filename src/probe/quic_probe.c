/* The packet: a long header with random ids, filled up to the 1,200 bytes below which servers stay
 * silent (RFC 9000 section 14.1). */
#include "probe/quic_probe.h"

#include <errno.h>
#include <string.h>

#include "base/error.h"
#include "base/span.h"

enum {
    LONG_HEADER = 0xc0,
    DESTINATION = 6, /* after the first byte, the version and a length */
    SOURCE = DESTINATION + QUIC_ID + 1,
    ANSWER_HEAD = SOURCE + QUIC_ID,
    TIMES = 3,
};

#define AGAIN (250 * NSEC_PER_MSEC)

static const unsigned char reserved_version[] = {0x1a, 0x2a, 0x3a, 0x4a};

static void conclude(struct quic_probe *probe, int end)
{
    if (probe->watch.fd >= 0) {
        loop_remove(probe->loop, &probe->watch);
        dial_close(probe->watch.fd);
        probe->watch.fd = -1;
    }
    loop_timer_cancel(probe->loop, &probe->timer);
    probe->end = end;
    probe->took = nsec_monotonic() - probe->started;
    probe->done = true;
    loop_hurry(probe->loop);
}

int quic_read_versions(struct span packet, const unsigned char *destination_id,
                       const unsigned char *source_id, uint32_t versions[QUIC_VERSIONS_MAX])
{
    const unsigned char *b = (const unsigned char *)packet.ptr;
    static const unsigned char zero[4] = {0};
    int count = 0;

    if (packet.len < ANSWER_HEAD + 4 || !(b[0] & 0x80) || memcmp(b + 1, zero, 4) != 0 ||
        b[DESTINATION - 1] != QUIC_ID || b[SOURCE - 1] != QUIC_ID ||
        memcmp(b + DESTINATION, source_id, QUIC_ID) != 0 ||
        memcmp(b + SOURCE, destination_id, QUIC_ID) != 0)
        return ERR_SYNTAX;
    for (size_t at = ANSWER_HEAD; at + 4 <= packet.len && count < QUIC_VERSIONS_MAX; at += 4)
        versions[count++] = (uint32_t)b[at] << 24 | (uint32_t)b[at + 1] << 16 |
                            (uint32_t)b[at + 2] << 8 | b[at + 3];
    return count;
}

static void fail(struct quic_probe *probe, int error)
{
    dial_take_failure(probe->watch.fd, error, &probe->failure);
    conclude(probe, QUIC_REFUSED);
}

static void on_event(struct loop_watch *watch, unsigned events)
{
    struct quic_probe *probe = container_of(watch, struct quic_probe, watch);
    char bytes[2048];

    if (!(events & (LOOP_READABLE | LOOP_HANGUP)))
        return;
    for (int i = 0; i < 16; i++) {
        ssize_t len = dial_receive(watch->fd, bytes, sizeof bytes);
        if (len == -EAGAIN)
            return;
        if (len < 0) {
            fail(probe, (int)-len);
            return;
        }
        int count = quic_read_versions(span_of(bytes, (size_t)len), probe->packet + DESTINATION,
                                       probe->packet + SOURCE, probe->versions);
        if (count >= 0) {
            probe->version_count = (size_t)count;
            conclude(probe, QUIC_ANSWERED);
            return;
        }
    }
    conclude(probe, QUIC_NONSENSE); /* a flood of something else */
}

static void send_packet(struct quic_probe *probe, nsec_t now)
{
    nsec_t again = now + AGAIN * (nsec_t)(1 << probe->sent);

    /* An error of an earlier packet may come here first. */
    ssize_t sent = dial_send(probe->watch.fd, probe->packet, sizeof probe->packet);
    if (sent < 0 && sent != -EAGAIN) {
        fail(probe, (int)-sent);
        return;
    }
    probe->sent++;
    bool last = probe->sent == TIMES || again >= probe->deadline;
    loop_timer_set(probe->loop, &probe->timer, last ? probe->deadline : again);
}

static void on_timeout(struct loop_timer *timer, nsec_t now)
{
    struct quic_probe *probe = container_of(timer, struct quic_probe, timer);

    if (probe->watch.fd < 0)
        conclude(probe, QUIC_NO_ROUTE);
    else if (now >= probe->deadline)
        conclude(probe, QUIC_SILENT);
    else
        send_packet(probe, now);
}

void quic_probe_start(struct quic_probe *probe, struct loop *loop,
                      const struct socket_address *address, nsec_t deadline)
{
    *probe = (struct quic_probe){.loop = loop, .deadline = deadline};
    probe->started = nsec_monotonic();
    probe->timer.on_timeout = on_timeout;
    dial_random(probe->packet, SOURCE + QUIC_ID);
    probe->packet[0] = LONG_HEADER;
    memcpy(probe->packet + 1, reserved_version, sizeof reserved_version);
    probe->packet[DESTINATION - 1] = probe->packet[SOURCE - 1] = QUIC_ID;
    int fd = dial_udp(address);
    probe->watch = (struct loop_watch){.fd = fd < 0 ? -1 : fd, .on_event = on_event};
    if (fd >= 0 && loop_add(loop, &probe->watch, LOOP_EDGE) < 0) {
        dial_close(fd);
        probe->watch.fd = -1;
    }
    /* The first packet leaves at the end of this round, so that nothing ends within this call. */
    loop_timer_set(loop, &probe->timer, probe->started);
}

void quic_probe_stop(struct quic_probe *probe)
{
    if (probe->loop && !probe->done)
        conclude(probe, QUIC_SILENT);
}
