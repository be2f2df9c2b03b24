/* Entering other network namespaces, which a process does for all of its life: so a child does it,
 * writes the sockets that it sees into a pipe and ends. */
#include "os/listeners_spaces.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/macros.h"
#include "base/mem.h"
#include "base/nsec.h"
#include "os/listeners.h"
#include "os/process.h"

#define LOOK_MOST (5 * NSEC_PER_SEC)

struct space {
    uint64_t inode;
    pid_t pid; /* one that is in it */
};

struct spaces {
    struct space items[LISTENER_SPACES_MAX];
    size_t count;
    size_t hidden; /* more than are kept */
    size_t veiled; /* processes that do not let us see theirs */
};

/* What the child writes; a record of namespace 0 says how many it entered. */
struct record {
    struct listeners_space_socket socket;
    size_t looked, hidden;
};

/* ---- which there are ---- */

static void add_space(struct spaces *spaces, uint64_t inode, pid_t pid)
{
    for (size_t i = 0; i < spaces->count; i++)
        if (spaces->items[i].inode == inode)
            return;
    if (spaces->count < LISTENER_SPACES_MAX)
        spaces->items[spaces->count++] = (struct space){inode, pid};
    else
        spaces->hidden++;
}

static void find_spaces(struct spaces *spaces)
{
    struct stat own, other;
    DIR *proc = opendir("/proc");

    if (!proc)
        return;
    if (stat("/proc/self/ns/net", &own) < 0)
        own.st_ino = 0;
    for (const struct dirent *e; own.st_ino && (e = readdir(proc));) {
        char path[300];
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/%s/ns/net", e->d_name);
        if (stat(path, &other) == 0) {
            if (other.st_ino != own.st_ino)
                add_space(spaces, other.st_ino, (pid_t)strtol(e->d_name, NULL, 10));
        } else if (errno == EACCES || errno == EPERM) {
            spaces->veiled++;
        }
    }
    closedir(proc);
}

/* ---- the child ---- */

/* @return 0, -ESRCH when the process has ended, or -errno */
static int enter(const struct space *space)
{
    char path[64];
    struct stat now;
    int r = 0;

    snprintf(path, sizeof path, "/proc/%d/ns/net", (int)space->pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    if (fstat(fd, &now) < 0 || now.st_ino != space->inode)
        r = -ESRCH; /* the pid is somebody else's by now */
    else if (setns(fd, CLONE_NEWNET) < 0)
        r = -errno;
    close(fd);
    return r;
}

static void tell(int pipe, const struct record *record)
{
    if (write(pipe, record, sizeof *record) != sizeof *record)
        _exit(1);
}

static void look_into(const struct space *space, const uint16_t *ports, size_t count,
                      int connect_most, int pipe)
{
    static const int protocols[] = {IPPROTO_TCP, IPPROTO_UDP};

    for (size_t p = 0; p < ARRAY_SIZE(protocols); p++)
        for (size_t i = 0; i < count; i++) {
            struct sockdiag_list list = {0};
            /* What a namespace does not list, ours did not either, which was told. */
            int r = sockdiag_list(protocols[p], ports[i], &list);
            for (size_t s = 0; r == 0 && s < list.count; s++) {
                struct record record = {.socket = {.socket = list.items[s],
                                                   .space = space->inode,
                                                   .connects = -ECANCELED}};
                if (connect_most && protocols[p] == IPPROTO_TCP)
                    record.socket.connects = sockdiag_connect(&list.items[s], connect_most);
                tell(pipe, &record);
            }
            sockdiag_finish(&list);
        }
}

static void look_into_all(const struct spaces *spaces, const uint16_t *ports, size_t count,
                          int connect_most, int pipe)
{
    struct record last = {0};

    for (size_t i = 0; i < spaces->count; i++) {
        int r = enter(&spaces->items[i]);
        if (r == 0) {
            look_into(&spaces->items[i], ports, count, connect_most, pipe);
            last.looked++;
        } else if (r != -ESRCH) { /* what went with its process hides nobody */
            last.hidden++;
        }
    }
    tell(pipe, &last);
}

/* ---- the parent ---- */

static void take_record(const struct record *record, struct listeners_spaces *spaces)
{
    if (!record->socket.space) {
        spaces->looked = record->looked;
        spaces->hidden += record->hidden;
    } else if (spaces->count == SOCKDIAG_MAX) {
        spaces->dropped++;
    } else {
        spaces->items = mem_resize(spaces->items, spaces->count + 1, sizeof *spaces->items);
        spaces->items[spaces->count++] = record->socket;
    }
}

/* Records are smaller than PIPE_BUF, so each comes whole. @return whether the child came to its end
 */
static bool collect(int pipe, struct listeners_spaces *spaces)
{
    nsec_t end = nsec_monotonic() + LOOK_MOST;
    struct record record;

    for (;;) {
        nsec_t left = end - nsec_monotonic();
        struct pollfd wait = {.fd = pipe, .events = POLLIN};
        if (left <= 0)
            return false;
        int n = poll(&wait, 1, (int)(left / NSEC_PER_MSEC) + 1);
        if (n < 0 && errno != EINTR)
            return false;
        if (n <= 0)
            continue;
        ssize_t got = read(pipe, &record, sizeof record);
        if (got != sizeof record)
            return false;
        take_record(&record, spaces);
        if (!record.socket.space)
            return true;
    }
}

void listeners_spaces_look(const uint16_t *ports, size_t count, int connect_most,
                           struct listeners_spaces *ret_spaces)
{
    scoped(mem_release) struct spaces *spaces = mem_new(struct spaces);
    int ends[2] = {-1, -1};

    *ret_spaces = (struct listeners_spaces){0};
    find_spaces(spaces);
    ret_spaces->hidden = spaces->hidden;
    ret_spaces->veiled = spaces->veiled;
    if (!spaces->count)
        return;
    pid_t pid = pipe2(ends, O_CLOEXEC) < 0 ? -errno : process_fork("gardien look", &ends[1], 1);
    if (pid == 0) {
        look_into_all(spaces, ports, count, connect_most, 3);
        _exit(0);
    }
    if (ends[1] >= 0)
        close(ends[1]);
    if (pid < 0 || !collect(ends[0], ret_spaces))
        ret_spaces->hidden += spaces->count;
    if (ends[0] >= 0)
        close(ends[0]);
    if (pid < 0)
        return;
    kill(pid, SIGKILL); /* it has said all, or was too slow */
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
        continue;
}

void listeners_spaces_finish(struct listeners_spaces *spaces)
{
    free(spaces->items);
    *spaces = (struct listeners_spaces){0};
}
