/* Which system calls a process may still make once it is set up, one list a role. The rest of the
 * sandbox is sandbox_linux.c's. */
#include "os/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <seccomp.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

/** Every role: memory, time, messages on what it holds, its own signals, the end. */
static const int everyone[] = {
    /* messages and bytes */
    SCMP_SYS(read),
    SCMP_SYS(readv),
    SCMP_SYS(pread64),
    SCMP_SYS(write),
    SCMP_SYS(writev),
    SCMP_SYS(recvfrom),
    SCMP_SYS(recvmsg),
    SCMP_SYS(sendto),
    SCMP_SYS(sendmsg),
    SCMP_SYS(close),
    SCMP_SYS(fstat),
    SCMP_SYS(lseek),
    SCMP_SYS(shutdown),
    SCMP_SYS(getsockopt),
    SCMP_SYS(setsockopt),
    /* waiting */
    SCMP_SYS(poll),
    SCMP_SYS(ppoll),
    SCMP_SYS(epoll_create1),
    SCMP_SYS(epoll_ctl),
    SCMP_SYS(epoll_wait),
    SCMP_SYS(epoll_pwait),
    SCMP_SYS(epoll_pwait2),
    SCMP_SYS(eventfd2),
    SCMP_SYS(timerfd_create),
    SCMP_SYS(timerfd_settime),
    SCMP_SYS(signalfd4),
    SCMP_SYS(restart_syscall),
    SCMP_SYS(nanosleep),
    SCMP_SYS(clock_nanosleep),
    /* memory */
    SCMP_SYS(munmap),
    SCMP_SYS(mremap),
    SCMP_SYS(madvise),
    SCMP_SYS(brk),
    SCMP_SYS(mincore),
    /* locks; the C library's view of processors and threads */
    SCMP_SYS(futex),
    SCMP_SYS(membarrier),
    SCMP_SYS(rseq),
    SCMP_SYS(set_robust_list),
    SCMP_SYS(sched_yield),
    SCMP_SYS(sched_getaffinity),
    SCMP_SYS(getcpu),
    SCMP_SYS(sysinfo),
    SCMP_SYS(getrusage),
    SCMP_SYS(uname),
    SCMP_SYS(getpid),
    SCMP_SYS(getppid),
    SCMP_SYS(gettid),
    SCMP_SYS(getuid),
    SCMP_SYS(geteuid),
    SCMP_SYS(getgid),
    SCMP_SYS(getegid),
    /* time and chance */
    SCMP_SYS(clock_gettime),
    SCMP_SYS(clock_getres),
    SCMP_SYS(gettimeofday),
    SCMP_SYS(time),
    SCMP_SYS(getrandom),
    /* signals and the end */
    SCMP_SYS(rt_sigreturn),
    SCMP_SYS(rt_sigaction),
    SCMP_SYS(rt_sigprocmask),
    SCMP_SYS(rt_sigpending),
    SCMP_SYS(rt_sigtimedwait),
    SCMP_SYS(sigaltstack),
    SCMP_SYS(exit),
    SCMP_SYS(exit_group),
};

/** Connections that it accepts, files that Landlock lets it read. */
static const int worker[] = {
    SCMP_SYS(accept4),     SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(recvmmsg),
    SCMP_SYS(sendmmsg),    SCMP_SYS(sendfile),    SCMP_SYS(openat2),     SCMP_SYS(newfstatat),
    SCMP_SYS(statx),       SCMP_SYS(getdents64),  SCMP_SYS(preadv),      SCMP_SYS(preadv2),
    SCMP_SYS(readahead),   SCMP_SYS(fadvise64),   SCMP_SYS(readlinkat),  SCMP_SYS(faccessat),
    SCMP_SYS(faccessat2),  SCMP_SYS(fstatfs),     SCMP_SYS(dup),         SCMP_SYS(dup3),
    SCMP_SYS(close_range),
};

/** A key that is made is written into a file that the guardian opened. */
static const int keys[] = {
    SCMP_SYS(pwrite64),
    SCMP_SYS(fsync),
    SCMP_SYS(ftruncate),
};

static const int logs[] = {
    SCMP_SYS(pwrite64),
    SCMP_SYS(fsync),
    SCMP_SYS(fdatasync),
    SCMP_SYS(ftruncate),
};

/** Connections of its own, and what the C library does to look a name up. */
static const int client[] = {
    SCMP_SYS(connect),  SCMP_SYS(bind),     SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(sendmmsg), SCMP_SYS(recvmmsg), SCMP_SYS(select),      SCMP_SYS(pselect6),
    SCMP_SYS(statx),    SCMP_SYS(access),   SCMP_SYS(faccessat),   SCMP_SYS(faccessat2),
    SCMP_SYS(stat),     SCMP_SYS(lstat),    SCMP_SYS(alarm),       SCMP_SYS(newfstatat),
};

static const struct {
    const int *calls;
    size_t count;
} roles[] = {
    [SANDBOX_WORKER] = {worker, ARRAY_SIZE(worker)},
    [SANDBOX_KEYS] = {keys, ARRAY_SIZE(keys)},
    [SANDBOX_LOGS] = {logs, ARRAY_SIZE(logs)},
    [SANDBOX_CLIENT] = {client, ARRAY_SIZE(client)},
};

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
static int answer_politely(scmp_filter_ctx filter, enum sandbox_role role)
{
    static const struct {
        int call, error;
    } answers[] = {
        {SCMP_SYS(clone3), ENOSYS},
        {SCMP_SYS(ioctl), ENOTTY},
        {SCMP_SYS(prctl), EPERM},
        {SCMP_SYS(access), EACCES},
    };

    if (role == SANDBOX_CLIENT) /* everything that is not allowed is answered so */
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
    if (r == 0)
        r = allow_without(filter, SCMP_SYS(mmap), 2,
                          PROT_WRITE); /* the rest is in allow_partly() */
    return r == 0 ? allow_without(filter, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC) : r;
}

/** Calls whose arguments decide. */
static int allow_partly(scmp_filter_ctx filter, enum sandbox_role role)
{
    struct scmp_arg_cmp own = SCMP_A0(SCMP_CMP_EQ, 0), get = SCMP_A2(SCMP_CMP_EQ, 0);
    int r = allow_without(filter, SCMP_SYS(mmap), 2, PROT_EXEC);

    if (r == 0)
        r = allow_without(filter, SCMP_SYS(mprotect), 2, PROT_EXEC);
    if (r == 0 && role == SANDBOX_CLIENT)
        r = allow_client(filter);
    if (r == 0)
        r = allow_only(filter, SCMP_SYS(tgkill), 0, (uint64_t)getpid()); /* abort() */
    if (r == 0)
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(prlimit64), 2, own, get);
    if (r == 0)
        r = allow_fcntl(filter);
    if (r == 0 && role == SANDBOX_WORKER)
        r = allow_without(filter, SCMP_SYS(openat), 2, O_ACCMODE | O_CREAT | O_TRUNC);
    if (r == 0 && role != SANDBOX_WORKER &&
        role != SANDBOX_CLIENT) /* how the C library spells fstat() */
        r = seccomp_rule_add(filter, SCMP_ACT_ALLOW, SCMP_SYS(newfstatat), 1,
                             SCMP_A3(SCMP_CMP_MASKED_EQ, AT_EMPTY_PATH, AT_EMPTY_PATH));
    return r;
}

int sandbox_seccomp(enum sandbox_role role)
{
    if (sandbox_is_instrumented())
        return SANDBOX_SKIPPED;
    scmp_filter_ctx filter =
        seccomp_init(role == SANDBOX_CLIENT ? SCMP_ACT_ERRNO(EPERM) : SCMP_ACT_KILL_PROCESS);
    if (!filter)
        return -ENOMEM;
    int r = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_KILL_PROCESS);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (r == 0)
        r = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2); /* a tree, not a chain */
    if (r == 0)
        r = allow_list(filter, everyone, ARRAY_SIZE(everyone));
    if (r == 0)
        r = allow_list(filter, roles[role].calls, roles[role].count);
    if (r == 0)
        r = allow_partly(filter, role);
    if (r == 0)
        r = answer_politely(filter, role);
    if (r == 0)
        r = seccomp_load(filter);
    seccomp_release(filter);
    return r;
}
