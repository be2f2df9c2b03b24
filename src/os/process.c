/* Forking of children, facts about processes, and the service manager's protocols. Supervision is
 * app/'s. */
#include "os/process.h"

#include <dirent.h>
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

enum { CLOSE_MAX = 1 << 20 };

/* Closes every descriptor from `first` on. Kernels before 5.9 have no close_range(), and filters of
 * older containers refuse it. @return 0, or -errno */
static int close_from(unsigned first)
{
    struct rlimit limit;

    if (close_range(first, ~0u, 0) == 0)
        return 0;
    DIR *folder = opendir("/proc/self/fd");
    if (!folder) {
        if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur > CLOSE_MAX)
            return -ENOSYS;
        for (unsigned fd = first; fd < limit.rlim_cur; fd++)
            close((int)fd);
        return 0;
    }
    for (struct dirent *entry; (entry = readdir(folder));) {
        uint64_t fd;
        if (span_to_uint(span_str(entry->d_name), &fd) >= 0 && fd >= first &&
            fd != (uint64_t)dirfd(folder))
            close((int)fd);
    }
    closedir(folder);
    return 0;
}

/* Puts the descriptors at 3, 4… and closes all others. Two steps, so that none is overwritten
 * before it was moved. */
static int keep_only(const int *keep, size_t count)
{
    int high[32];

    if (count > ARRAY_SIZE(high))
        return -EINVAL;
    for (size_t i = 0; i < count; i++) {
        high[i] = fcntl(keep[i], F_DUPFD_CLOEXEC, 3 + (int)count);
        if (high[i] < 0)
            return -errno;
    }
    for (size_t i = 0; i < count; i++)
        if (dup3(high[i], (int)i + 3, O_CLOEXEC) < 0)
            return -errno;
    return close_from((unsigned)count + 3);
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
        _exit(PROCESS_DESCRIPTORS);
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

bool process_hint_descriptors(struct diag *diag, int error)
{
    struct rlimit limit;

    if (error != -EMFILE || getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return false;
    diag_hint(diag,
              "it may have %llu files and sockets open at once: raise that with `ulimit -n 4096`, "
              "LimitNOFILE= in a systemd unit, or --ulimit nofile=4096 of a container",
              (unsigned long long)limit.rlim_cur);
    return true;
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

int process_user_find(const char *user, uid_t *ret_uid, gid_t *ret_gid)
{
    const struct passwd *account = getpwnam(user);
    uint64_t number;

    if (!account && span_to_uint(span_str(user), &number) >= 0 && number < UINT32_MAX) {
        *ret_uid = *ret_gid = (uid_t)number;
        return 0;
    }
    if (!account)
        return ERR_NOT_FOUND;
    *ret_uid = account->pw_uid;
    *ret_gid = account->pw_gid;
    return 0;
}

bool process_user_exists(const char *user)
{
    return getpwnam(user) != NULL;
}

bool process_has_one_user(void)
{
    unsigned long first, outside, count;
    FILE *map = fopen("/proc/self/uid_map", "re");
    int fields = map ? fscanf(map, "%lu %lu %lu", &first, &outside, &count) : 0;

    if (map)
        fclose(map);
    return fields == 3 && count == 1;
}

int process_may_become_others(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, data) < 0)
        return -errno;
    return data[0].effective & CAP_TO_MASK(CAP_SETUID) &&
                   data[0].effective & CAP_TO_MASK(CAP_SETGID)
               ? 0
               : -EPERM;
}

int process_user_may_search(const char *user, int directory_fd)
{
    bool other = user && geteuid() == 0;
    uid_t uid = 0;
    gid_t gid = 0;
    gid_t groups[256];
    int group_count = 0, r = 0;

    if (other) {
        r = process_user_find(user, &uid, &gid);
        group_count = r < 0 ? r : getgroups(ARRAY_SIZE(groups), groups);
        if (r < 0 || group_count < 0 || setgroups(1, &gid) < 0)
            return r < 0 ? r : -errno;
        if (setegid(gid) < 0 || seteuid(uid) < 0)
            r = -errno;
    }
    /* The way to "." leads through the directory. faccessat2() is missing in older kernels. */
    int fd = r < 0 ? -1 : openat(directory_fd, ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (r == 0 && fd < 0)
        r = -errno;
    if (fd >= 0)
        close(fd);
    if (other &&
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

nsec_t process_watchdog(void)
{
    const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");
    uint64_t time, number;

    if (!usec || span_to_uint(span_str(usec), &time) < 0 || time > UINT64_C(1) << 52)
        return 0;
    if (pid && (span_to_uint(span_str(pid), &number) < 0 || number != (uint64_t)getpid()))
        return 0;
    return (nsec_t)time * NSEC_PER_USEC;
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
