/* The dump of listening sockets over netlink and the search for their holders in /proc. Wording is
 * left to who asks. */
#include "os/listeners.h"

#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "os/process.h"

struct search {
    uint16_t port;
    struct listener_owner *owners;
    uint32_t *inodes; /* of owners[i] */
    size_t count;
    size_t room;
};

static void add(struct search *search, const struct inet_diag_msg *message)
{
    char host[INET6_ADDRSTRLEN];

    if (ntohs(message->id.idiag_sport) != search->port || search->count == search->room)
        return;
    bool ipv6 = message->idiag_family == AF_INET6;
    if (!inet_ntop(message->idiag_family, message->id.idiag_src, host, sizeof host))
        return;
    struct listener_owner *owner = &search->owners[search->count];
    *owner = (struct listener_owner){.uid = message->idiag_uid};
    snprintf(owner->address, sizeof owner->address, ipv6 ? "[%s]:%u" : "%s:%u", host,
             (unsigned)search->port);
    search->inodes[search->count++] = message->idiag_inode;
}

/* Reads the answer to one dump. @return 0, or -errno */
static int read_dump(int netlink, struct search *search)
{
    union {
        struct nlmsghdr align;
        char bytes[32768];
    } room;

    for (;;) {
        ssize_t n = recv(netlink, room.bytes, sizeof room.bytes, 0);
        if (n <= 0)
            return n < 0 ? -errno : -EPROTO;
        unsigned left = (unsigned)n;
        for (struct nlmsghdr *h = &room.align; NLMSG_OK(h, left); h = NLMSG_NEXT(h, left)) {
            if (h->nlmsg_type == NLMSG_DONE)
                return 0;
            if (h->nlmsg_type == NLMSG_ERROR)
                return -EPROTO;
            if (h->nlmsg_len >= NLMSG_LENGTH(sizeof(struct inet_diag_msg)))
                add(search, NLMSG_DATA(h));
        }
    }
}

static int dump(int netlink, int family, struct search *search)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } ask = {.header = {.nlmsg_len = sizeof ask,
                        .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                        .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP},
             .request = {.sdiag_family = (uint8_t)family,
                         .sdiag_protocol = IPPROTO_TCP,
                         .idiag_states = 1u << TCP_LISTEN,
                         .id.idiag_sport = htons(search->port)}};

    if (send(netlink, &ask, sizeof ask, 0) < 0)
        return -errno;
    return read_dump(netlink, search);
}

/* Looks through one process's descriptors. */
static void look_at(struct search *search, pid_t pid)
{
    char path[300], link[64];
    unsigned inode;

    snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
    DIR *dir = opendir(path);
    if (!dir)
        return;
    for (const struct dirent *e; (e = readdir(dir));) {
        ssize_t n = readlinkat(dirfd(dir), e->d_name, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        if (sscanf(link, "socket:[%u]", &inode) != 1)
            continue;
        for (size_t i = 0; i < search->count; i++) {
            if (search->inodes[i] != inode || search->owners[i].pid)
                continue;
            search->owners[i].pid = pid;
            process_name(pid, search->owners[i].program);
        }
    }
    closedir(dir);
}

static void find_holders(struct search *search)
{
    DIR *proc = opendir("/proc");

    if (!proc)
        return;
    for (const struct dirent *e; (e = readdir(proc));) {
        int pid = (int)strtol(e->d_name, NULL, 10); /* 0 for what is not a process */
        if (pid > 0)
            look_at(search, pid);
    }
    closedir(proc);
}

int listeners_find(uint16_t port, struct listener_owner *owners, size_t room)
{
    uint32_t inodes[64];
    struct search search = {.port = port,
                            .owners = owners,
                            .inodes = inodes,
                            .room = room < ARRAY_SIZE(inodes) ? room : ARRAY_SIZE(inodes)};
    int netlink = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);

    if (netlink < 0)
        return -errno;
    int r = dump(netlink, AF_INET, &search);
    if (r >= 0)
        r = dump(netlink, AF_INET6, &search);
    close(netlink);
    if (r < 0)
        return r;
    if (search.count)
        find_holders(&search);
    return (int)search.count;
}
