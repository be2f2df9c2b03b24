/* UDP sockets that share a port, and which of them gets a QUIC packet. */
#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "os/address.h"
#include "os/socket.h"

enum {
    HEAD = 20,        /* of the program */
    BUFFER = 8 << 20, /* bytes: some ms of a gigabit for a worker that is busy */
};

static int set(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof value) < 0 ? -errno : 0;
}

/* Beyond the system's bound where we have the right, else as much as it allows. */
static void set_buffers(int fd)
{
    if (set(fd, SOL_SOCKET, SO_RCVBUFFORCE, BUFFER) < 0)
        (void)set(fd, SOL_SOCKET, SO_RCVBUF, BUFFER);
    if (set(fd, SOL_SOCKET, SO_SNDBUFFORCE, BUFFER) < 0)
        (void)set(fd, SOL_SOCKET, SO_SNDBUF, BUFFER);
}

static int bind_one(const struct socket_address *address, bool sharing)
{
    int family = address->storage.ss_family;
    int fd = socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

    if (fd < 0)
        return -errno;
    int r = family == AF_INET6 ? set(fd, IPPROTO_IPV6, IPV6_V6ONLY, !address->any) : 0;
    if (r >= 0 && sharing)
        r = set(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    if (r >= 0 && bind(fd, (const struct sockaddr *)&address->storage, address->len) < 0)
        r = -errno;
    if (r < 0) {
        close(fd);
        return r;
    }
    return fd;
}

static int bind_any(const struct socket_address *address, bool sharing)
{
    struct socket_address ipv4;
    int fd = bind_one(address, sharing);

    if (!address->any || (fd != -EAFNOSUPPORT && fd != -EADDRNOTAVAIL))
        return fd;
    int r = address_from_ip("0.0.0.0", socket_address_port(address), &ipv4);
    return r < 0 ? r : bind_one(&ipv4, sharing);
}

int socket_probe_datagrams(const struct socket_address *address)
{
    int fd = bind_any(address, false);

    if (fd < 0)
        return fd;
    close(fd);
    return 0;
}

int socket_datagrams(const struct socket_address *address)
{
    int fd = bind_any(address, true);

    if (fd >= 0)
        set_buffers(fd);
    return fd;
}

/* The kernel's filter sees the datagram from its first byte and yields the index of a socket (RFC
 * 9000 section 17: a long header has the length of the destination's ID at byte 5, a short one the
 * ID at byte 1). */
int socket_steer(int fd, const struct socket_steering *steering)
{
    struct sock_filter code[HEAD + 2 * SOCKET_STEER_MAX] = {
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 0),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, 0x80, 2, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 1),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 5),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, steering->cid_len, 0, 11),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 6),
        BPF_STMT(BPF_MISC | BPF_TAX, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 7),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, steering->marks[0], 0, 6),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 8),
        BPF_STMT(BPF_ALU | BPF_XOR | BPF_X, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, steering->marks[1], 0, 3),
        BPF_STMT(BPF_MISC | BPF_TXA, 0),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, steering->sockets, 1, 0),
        BPF_STMT(BPF_RET | BPF_A, 0),
        BPF_STMT(BPF_LD | BPF_B | BPF_ABS, 9),
        BPF_STMT(BPF_ALU | BPF_MOD | BPF_K, steering->count),
    };
    unsigned len = HEAD, count = steering->count;

    if (count == 0 || count > SOCKET_STEER_MAX)
        return -EINVAL;
    for (unsigned i = 0; i < count; i++) {
        if (i + 1 < count)
            code[len++] = (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, i, 0, 1);
        code[len++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, steering->first[i]);
    }
    struct sock_fprog program = {.len = (unsigned short)len, .filter = code};
    return setsockopt(fd, SOL_SOCKET, SO_ATTACH_REUSEPORT_CBPF, &program, sizeof program) < 0
               ? -errno
               : 0;
}
