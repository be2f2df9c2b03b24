/* tcx programs are asked for by bpf(), XDP programs by the interface's attributes over netlink. */
#include "os/bpf_attached.h"

#include <errno.h>
#include <linux/bpf.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/error.h"
#include "os/rtattr.h"

enum {
    TCX_INGRESS = 46, /* BPF_TCX_INGRESS of linux 6.6 */
    PROGRAMS = 16,
    ANSWER_SIZE = 32768,
};

/* The part of union bpf_attr for BPF_PROG_QUERY, as linux 6.6 has it. */
struct query {
    uint32_t interface, attach_type, flags, attach_flags;
    uint64_t programs;
    uint32_t count, padding;
    uint64_t program_flags, links, link_flags, revision;
};

static int bpf(int command, void *attr, size_t size)
{
    long r = syscall(SYS_bpf, command, attr, size);

    return r < 0 ? -errno : (int)r;
}

/* Without the right to look (CAP_SYS_ADMIN) the name stays empty. */
static void read_name(uint32_t program, char name[16])
{
    struct bpf_prog_info info = {0};
    union bpf_attr attr = {0};

    name[0] = '\0';
    attr.prog_id = program;
    int fd = bpf(BPF_PROG_GET_FD_BY_ID, &attr, sizeof attr);
    if (fd < 0)
        return;
    memset(&attr, 0, sizeof attr);
    attr.info.bpf_fd = (uint32_t)fd;
    attr.info.info_len = sizeof info;
    attr.info.info = (uintptr_t)&info;
    if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr, sizeof attr) >= 0)
        snprintf(name, 16, "%.15s", info.name);
    close(fd);
}

int bpf_attached_tcx(unsigned interface, struct bpf_attached *ret_attached)
{
    uint32_t programs[PROGRAMS] = {0}, links[PROGRAMS] = {0};
    struct query query = {
        .interface = interface,
        .attach_type = TCX_INGRESS,
        .programs = (uintptr_t)programs,
        .links = (uintptr_t)links,
        .count = PROGRAMS,
    };
    int r = bpf(BPF_PROG_QUERY, &query, sizeof query);

    if (r == -EINVAL || r == -E2BIG || r == -ENOENT) /* before 6.6, or nothing was ever there */
        return 0;
    if (r < 0 && r != -ENOSPC)
        return r;
    if (query.count == 0)
        return 0;
    *ret_attached = (struct bpf_attached){.program = programs[0], .link = links[0]};
    read_name(programs[0], ret_attached->name);
    return 1;
}

/* ---- XDP ---- */

static int ask_link(unsigned interface, char *answer, size_t size)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg info;
    } request = {
        .header = {.nlmsg_len = sizeof request,
                   .nlmsg_type = RTM_GETLINK,
                   .nlmsg_flags = NLM_F_REQUEST},
        .info = {.ifi_index = (int)interface},
    };
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    ssize_t n;

    if (fd < 0)
        return -errno;
    n = send(fd, &request, sizeof request, 0);
    if (n >= 0)
        n = recv(fd, answer, size, 0); /* the kernel answers before send() returns */
    int r = n < 0 ? -errno : (int)n;
    close(fd);
    return r;
}

int bpf_attached_xdp(unsigned interface, struct bpf_attached *ret_attached)
{
    _Alignas(struct nlmsghdr) char answer[ANSWER_SIZE];
    const struct nlmsghdr *header = (const void *)answer;
    int n = ask_link(interface, answer, sizeof answer);

    if (n < 0)
        return n;
    if (!NLMSG_OK(header, (unsigned)n) || header->nlmsg_type != RTM_NEWLINK ||
        header->nlmsg_len < NLMSG_LENGTH(sizeof(struct ifinfomsg)))
        return ERR_PROTOCOL;
    const struct rtattr *xdp = rtattr_find(IFLA_RTA((const struct ifinfomsg *)NLMSG_DATA(header)),
                                           IFLA_PAYLOAD(header), IFLA_XDP);
    if (!xdp)
        return 0;
    const struct rtattr *inner = RTA_DATA(xdp);
    const struct rtattr *mode = rtattr_find(inner, RTA_PAYLOAD(xdp), IFLA_XDP_ATTACHED);
    const struct rtattr *id = rtattr_find(inner, RTA_PAYLOAD(xdp), IFLA_XDP_PROG_ID);
    if (!mode || RTA_PAYLOAD(mode) < 1)
        return 0;
    unsigned attached = *(const unsigned char *)RTA_DATA(mode);
    if (attached == XDP_ATTACHED_NONE)
        return 0;
    *ret_attached = (struct bpf_attached){.native = attached != XDP_ATTACHED_SKB};
    if (id && RTA_PAYLOAD(id) >= sizeof ret_attached->program)
        memcpy(&ret_attached->program, RTA_DATA(id), sizeof ret_attached->program);
    read_name(ret_attached->program, ret_attached->name);
    return 1;
}
