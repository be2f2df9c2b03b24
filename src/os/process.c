/* Forking of children, facts about processes, and the service manager's protocols. Supervision is
 * app/'s. */
#include "os/process.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

/* Puts the descriptors at 3, 4… and closes all others. Two steps, so that none is overwritten
 * before it was moved. */
static int keep_only(const int *keep, size_t count)
{
    int high[16];

    if (count > ARRAY_SIZE(high))
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, 64);
        if (high[i] < 0)
            return -errno;
    }
    for (size_t i = 0; i < count; i++)
        if (dup3(high[i], (int)i + 3, O_CLOEXEC) < 0)
            return -errno;
    return close_range((unsigned)count + 3, ~0u, 0) < 0 ? -errno : 0;
}

static void reset_signals(void)
{
    static const int ignored[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE, SIGXFSZ};
    sigset_t none;

    for (int number = 1; number < NSIG; number++)
        signal(number, SIG_DFL);
    for (size_t i = 0; i < ARRAY_SIZE(ignored); i++)
        signal(ignored[i], SIG_IGN);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

pid_t process_fork(const char *name, const int *keep, size_t count)
{
    pid_t parent = getpid();

    fflush(NULL);
    pid_t pid = fork();
    if (pid != 0)
        return pid < 0 ? -errno : pid;
    process_die_with(parent);
    reset_signals();
    prctl(PR_SET_NAME, name);
    if (keep_only(keep, count) < 0)
        _exit(71);
    return 0;
}

void process_die_with(pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent)
        _exit(0);
}

size_t process_raise_descriptors(size_t wanted)
{
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 1024;
    if (limit.rlim_max < wanted) {
        struct rlimit higher = {wanted, wanted};
        if (setrlimit(RLIMIT_NOFILE, &higher) == 0)
            return wanted;
    }
    limit.rlim_cur = limit.rlim_max;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0)
        getrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur;
}

unsigned process_cpus(void)
{
    cpu_set_t set;

    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? (unsigned)count : 1;
}

const char *process_name(pid_t pid, char out[64])
{
    char path[64];

    out[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/comm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return out;
    ssize_t n = read(fd, out, 63);
    close(fd);
    out[n > 0 ? n : 0] = '\0';
    out[strcspn(out, "\n")] = '\0';
    return out;
}

int process_activity(pid_t pid, struct process_activity *ret_activity)
{
    char path[32], text[512];
    unsigned long user, kernel;
    char state;

    snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, sizeof text - 1);
    int error = errno;
    close(fd);
    if (n < 0)
        return error == ESRCH ? -ENOENT : -error;
    text[n] = '\0';
    /* The second field is the name in parentheses, which may hold anything. */
    const char *rest = strrchr(text, ')');
    if (!rest || sscanf(rest, ") %c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &state, &user,
                        &kernel) != 3)
        return ERR_SYNTAX;
    long ticks = sysconf(_SC_CLK_TCK);
    *ret_activity = (struct process_activity){.state = state,
                                              .cpu = (nsec_t)(user + kernel) *
                                                     (NSEC_PER_SEC / (ticks > 0 ? ticks : 100))};
    return 0;
}

bool process_may_administer_network(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    return syscall(SYS_capget, &header, data) == 0 &&
           (data[CAP_TO_INDEX(CAP_NET_ADMIN)].effective & CAP_TO_MASK(CAP_NET_ADMIN));
}

bool process_user_exists(const char *user)
{
    return getpwnam(user) != NULL;
}

int process_user_may_search(const char *user, int directory_fd)
{
    const struct passwd *account = user && geteuid() == 0 ? getpwnam(user) : NULL;
    gid_t groups[256];
    int group_count = 0, r = 0;

    if (user && geteuid() == 0 && !account)
        return ERR_NOT_FOUND;
    if (account) {
        group_count = getgroups(ARRAY_SIZE(groups), groups);
        if (group_count < 0 || setgroups(1, &account->pw_gid) < 0)
            return -errno;
        if (setegid(account->pw_gid) < 0 || seteuid(account->pw_uid) < 0)
            r = -errno;
    }
    if (r == 0 && faccessat(directory_fd, ".", X_OK, AT_EACCESS) < 0)
        r = -errno;
    if (account &&
        (seteuid(0) < 0 || setegid(getgid()) < 0 || setgroups((size_t)group_count, groups) < 0))
        return -errno;
    return r;
}

void process_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    size_t len = path ? strlen(path) : 0;

    if (len < 2 || len >= sizeof to.sun_path || (path[0] != '/' && path[0] != '@'))
        return;
    memcpy(to.sun_path, path, len);
    if (path[0] == '@')
        to.sun_path[0] = '\0';
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    socklen_t size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    /* Best effort: a manager that does not listen changes nothing for us. */
    ssize_t n = sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, size);
    (void)n;
    close(fd);
}

int process_activation(void)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS");
    uint64_t number, count;

    if (!pid || !fds || span_to_uint(span_str(pid), &number) < 0 ||
        span_to_uint(span_str(fds), &count) < 0)
        return 0;
    if (number != (uint64_t)getpid() || count > 1024)
        return 0;
    for (int fd = 3; fd < 3 + (int)count; fd++)
        if (fcntl(fd, F_SETFD, FD_CLOEXEC) < 0)
            return 0;
    return (int)count;
}
