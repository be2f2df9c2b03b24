/* What each role of a process may do, one row a role: system calls, files, network, limits. */
#include "os/sandbox_roles.h"

#include <seccomp.h>

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
    SCMP_SYS(accept4),    SCMP_SYS(getsockname), SCMP_SYS(getpeername), SCMP_SYS(recvmmsg),
    SCMP_SYS(sendfile),   SCMP_SYS(openat2),     SCMP_SYS(newfstatat),  SCMP_SYS(statx),
    SCMP_SYS(getdents64), SCMP_SYS(preadv),      SCMP_SYS(preadv2),     SCMP_SYS(readahead),
    SCMP_SYS(fadvise64),  SCMP_SYS(readlinkat),  SCMP_SYS(faccessat),   SCMP_SYS(faccessat2),
    SCMP_SYS(fstatfs),    SCMP_SYS(dup),         SCMP_SYS(dup3),        SCMP_SYS(close_range),
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

/** Netlink, and the journal in files that the guardian opened. */
static const int bans[] = {
    SCMP_SYS(bind),     SCMP_SYS(getsockname),  SCMP_SYS(select),    SCMP_SYS(pselect6),
    SCMP_SYS(fsync),    SCMP_SYS(fdatasync),    SCMP_SYS(ftruncate), SCMP_SYS(pwrite64),
    SCMP_SYS(recvmmsg), SCMP_SYS(memfd_create), SCMP_SYS(capget),
};

/** Connections of its own, and what the C library does to look a name up. */
static const int client[] = {
    SCMP_SYS(connect),  SCMP_SYS(bind),      SCMP_SYS(getsockname), SCMP_SYS(getpeername),
    SCMP_SYS(recvmmsg), SCMP_SYS(select),    SCMP_SYS(pselect6),    SCMP_SYS(statx),
    SCMP_SYS(access),   SCMP_SYS(faccessat), SCMP_SYS(faccessat2),  SCMP_SYS(stat),
    SCMP_SYS(lstat),    SCMP_SYS(alarm),     SCMP_SYS(newfstatat),
};

/** What the C library reads to look up a name, and OpenSSL to begin. */
static const char *const lookup_files[] = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
};

/** For a process that asks one question and ends. */
static const struct sandbox_limit question_limits[] = {
    {RLIMIT_CORE, 0},      {RLIMIT_NPROC, 0}, {RLIMIT_NOFILE, 32},
    {RLIMIT_FSIZE, 65536}, {RLIMIT_CPU, 5},
};

/** The same, and the certificates that the system trusts. */
static const char *const acme_files[] = {
    "/etc/resolv.conf",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/gai.conf",
    "/etc/services",
    "/etc/ld.so.cache",
    "/etc/ssl/openssl.cnf",
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/usr/lib",
    "/usr/lib64",
    "/lib",
    "/lib64",
};

static const struct sandbox_limit acme_limits[] = {
    {RLIMIT_CORE, 0},        {RLIMIT_NPROC, 0}, {RLIMIT_NOFILE, 64},
    {RLIMIT_FSIZE, 1 << 20}, {RLIMIT_CPU, 60},
};

static const struct sandbox_limit connector_limits[] = {{RLIMIT_CORE, 0}, {RLIMIT_NPROC, 0}};

#define CALLS(list) .calls = (list), .call_count = ARRAY_SIZE(list)

const struct sandbox_rules sandbox_rules[SANDBOX_ROLES] = {
    [SANDBOX_WORKER] = {CALLS(worker), .confined = true, .reads = true, .hides_memory = true},
    [SANDBOX_KEYS] = {CALLS(keys), .confined = true, .hides_memory = true},
    [SANDBOX_LOGS] = {CALLS(logs), .confined = true},
    [SANDBOX_CLIENT] = {CALLS(client), .confined = true, .reads = true, .connects = true,
                        .refuses = true, .files = lookup_files,
                        .file_count = ARRAY_SIZE(lookup_files), .limits = question_limits,
                        .limit_count = ARRAY_SIZE(question_limits)},
    [SANDBOX_CONNECTOR] = {CALLS(client), .confined = true, .reads = true, .connects = true,
                           .abstract = true, .groups = true, .refuses = true, .files = lookup_files,
                           .file_count = ARRAY_SIZE(lookup_files), .limits = connector_limits,
                           .limit_count = ARRAY_SIZE(connector_limits)},
    [SANDBOX_ACME] = {CALLS(client), .confined = true, .reads = true, .connects = true,
                      .refuses = true, .files = acme_files, .file_count = ARRAY_SIZE(acme_files),
                      .limits = acme_limits, .limit_count = ARRAY_SIZE(acme_limits)},
    [SANDBOX_BANS] = {CALLS(bans), .confined = true, .refuses = true, .changes_network = true},
    [SANDBOX_ACCOUNT] = {.confined = false},
    [SANDBOX_HIDDEN] = {.keeps_account = true, .hides_memory = true},
    [SANDBOX_NONE] = {.keeps_account = true},
};

const int *sandbox_everyone(size_t *ret_count)
{
    *ret_count = ARRAY_SIZE(everyone);
    return everyone;
}
