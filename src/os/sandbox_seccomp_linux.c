/* The seccomp filter of a role, built from its row. */
#include "os/sandbox_roles.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

static int allow_list(scmp_filter_ctx filter, const int *calls, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, calls[i], 0);
        if (r < 0 && r != -EDOM) /* EDOM: this processor has no such call */
            return r;
    }
    return 0;
}

/** A call that is allowed when the bits of `mask` in argument `index` are all clear. */
static int allow_without(scmp_filter_ctx filter, int call, unsigned index, uint64_t mask)
{
    struct scmp_arg_cmp clear = SCMP_CMP(index, SCMP_CMP_MASKED_EQ, mask, 0);

    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, clear);
}

/** A call that is allowed when argument `index` is `value`. */
static int allow_only(scmp_filter_ctx filter, int call, unsigned index, uint64_t value)
{
    struct scmp_arg_cmp same = SCMP_CMP(index, SCMP_CMP_EQ, value);

    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, call, 1, same);
}

/** fcntl() on one's own descriptors; no leases, no owners to signal. */
static int allow_fcntl(scmp_filter_ctx filter)
{
    static const int commands[] = {F_GETFL, F_SETFL,         F_GETFD,
                                   F_SETFD, F_DUPFD_CLOEXEC, F_GET_SEALS};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(commands); i++)
        r = allow_only(filter, SCMP_SYS(fcntl), 1, (uint64_t)commands[i]);
    return r;
}

/** Calls with an answer that libraries know how to live with: there are no threads, nothing is a
 *  terminal, no name can be set and no path is there (allocators look for NUMA nodes). */
static int answer_with_errors(scmp_filter_ctx filter, const struct sandbox_rules *rules)
{
    static const struct {
        int call, error;
    } answers[] = {
        {SCMP_SYS(clone3), ENOSYS},
        {SCMP_SYS(ioctl), ENOTTY},
        {SCMP_SYS(prctl), EPERM},
        {SCMP_SYS(access), EACCES},
    };

    if (rules->refuses) /* everything that is not allowed is answered so */
        return 0;
    for (size_t i = 0; i < ARRAY_SIZE(answers); i++) {
        uint32_t action = SCMP_ACT_ERRNO((uint32_t)answers[i].error);
        int r = seccomp_rule_add(filter, action, answers[i].call, 0);
        if (r < 0 && r != -EDOM)
            return r;
    }
    return 0;
}

/** Sockets to ask with: TCP, UDP, those of local name services, and netlink, which tells the C
 *  library what addresses this machine has. No raw ones. Plug-ins are mapped to be executed, but no
 *  memory may be both written and executed. */
static int allow_client(scmp_filter_ctx filter)
{
    static const int families[] = {AF_INET, AF_INET6, AF_UNIX};
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    struct scmp_arg_cmp netlink = SCMP_A0(SCMP_CMP_EQ, AF_NETLINK);
    struct scmp_arg_cmp route = SCMP_A2(SCMP_CMP_EQ, NETLINK_ROUTE);
    int r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2, netlink, route);

    for (size_t f = 0; f < ARRAY_SIZE(families); f++)
        for (size_t t = 0; r == 0 && t < ARRAY_SIZE(types); t++)
            r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                                 SCMP_A0(SCMP_CMP_EQ, (uint64_t)families[f]),
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, 0xf, (uint64_t)types[t]));
    if (r == 0)
        r = allow_only(filter, SCMP_SYS(ioctl), 1, FIONREAD);
    if (r == 0)
        r = allow_only(filter, SCMP_SYS(ioctl), 1, FIONBIO);
    return r == 0 ? allow_without(filter, SCMP_SYS(mmap), 2, PROT_WRITE) : r;
}

/** Netlink of the firewall, of addresses and routes, of sockets. */
static int allow_netlink(scmp_filter_ctx filter)
{
    static const int protocols[] = {NETLINK_NETFILTER, NETLINK_ROUTE, NETLINK_SOCK_DIAG};
    int r = 0;

    for (size_t i = 0; r == 0 && i < ARRAY_SIZE(protocols); i++)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(socket), 2,
                             SCMP_A0(SCMP_CMP_EQ, AF_NETLINK),
                             SCMP_A2(SCMP_CMP_EQ, (uint64_t)protocols[i]));
    return r;
}

/** Sending on sockets that it holds. MSG_FASTOPEN would open a TCP connection to any address
 * without connect(); datagrams to an address stay possible. */
static int allow_sending(scmp_filter_ctx filter)
{
    int r = allow_without(filter, SCMP_SYS(sendto), 3, MSG_FASTOPEN);

    if (r == 0)
        r = allow_without(filter, SCMP_SYS(sendmsg), 2, MSG_FASTOPEN);
    return r == 0 ? allow_without(filter, SCMP_SYS(sendmmsg), 3, MSG_FASTOPEN) : r;
}

/** Opening for reading, and how the C library spells fstat() for those who open nothing. */
static int allow_opening(scmp_filter_ctx filter, const struct sandbox_rules *rules)
{
    if (rules->reads)
        return allow_without(filter, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC);
    return seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                            SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
}

/** Calls whose arguments decide. */
static int allow_partly(scmp_filter_ctx filter, const struct sandbox_rules *rules)
{
    struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, 0), get = SCMP_A2(SCMP_CMP_EQ, 0);
    int r = allow_without(filter, SCMP_SYS(mmap), 2, PROT_EXEC);

    if (r == 0)
        r = allow_without(filter, SCMP_SYS(mprotect), 2, PROT_EXEC);
    if (r == 0)
        r = allow_sending(filter);
    if (r == 0)
        r = allow_opening(filter, rules);
    if (r == 0 && rules->connects)
        r = allow_client(filter);
    if (r == 0 && rules->changes_network)
        r = allow_netlink(filter);
    if (r == 0)
        r = allow_only(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid()); /* abort() */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, own, get);
    if (r == 0)
        r = allow_fcntl(filter);
    return r;
}

int sandbox_seccomp(enum sandbox_role role)
{
    const struct sandbox_rules *rules = &sandbox_rules[role];
    size_t count;
    const int *calls = sandbox_everyone(&count);

    if (sandbox_is_instrumented())
        return SANDBOX_SKIPPED;
    scmp_filter_ctx filter =
        seccomp_init(rules->refuses ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return -ENOMEM;
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a chain */
    if (r == 0)
        r = allow_list(filter, calls, count);
    if (r == 0)
        r = allow_list(filter, rules->calls, rules->call_count);
    if (r == 0)
        r = allow_partly(filter, rules);
    if (r == 0)
        r = answer_with_errors(filter, rules);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}
