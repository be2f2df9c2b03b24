/* The search for the processes that hold listening sockets: sockets first, then /proc only for
 * those that were found. The kernel's answers are sockdiag's, those of other namespaces
 * listeners_spaces_linux.c's. */
#include "os/listeners.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/span.h"
#include "os/container.h"
#include "os/listeners_spaces.h"
#include "os/process.h"

enum { CONNECT_MOST = 300, CONNECT_ALL = 3000, COMMAND_MAX = 255 };

/* A socket's inode and the listener that it belongs to, sorted by inode for the walk. */
struct inode {
    uint32_t inode;
    size_t listener;
};

struct search {
    struct listeners *result;
    struct inode *inodes;
    size_t inode_count;
};

/* ---- sockets to listeners ---- */

static bool same_address(const struct listener *listener, const struct sockdiag_socket *socket,
                         uint64_t space)
{
    const struct sockdiag_socket *mine = &listener->socket;

    return listener->space == space && mine->protocol == socket->protocol &&
           mine->family == socket->family && mine->port == socket->port &&
           mine->interface == socket->interface && mine->v6only == socket->v6only &&
           memcmp(mine->address, socket->address, sizeof mine->address) == 0;
}

static void add_socket(struct search *search, const struct listeners_space_socket *found)
{
    struct listeners *result = search->result;
    const struct sockdiag_socket *socket = &found->socket;
    size_t at = 0;

    if (search->inode_count == SOCKDIAG_MAX) {
        result->dropped++;
        return;
    }
    while (at < result->count && !same_address(&result->items[at], socket, found->space))
        at++;
    if (at == result->count) {
        result->items = mem_resize(result->items, at + 1, sizeof *result->items);
        result->items[result->count++] = (struct listener){
            .socket = *socket, .space = found->space, .connects = found->connects};
        result->items[at].socket.waiting = result->items[at].socket.waiting_most = 0;
    }
    struct listener *listener = &result->items[at];
    listener->sockets++;
    listener->socket.waiting += socket->waiting;
    listener->socket.waiting_most += socket->waiting_most;
    search->inodes = mem_resize(search->inodes, search->inode_count + 1, sizeof *search->inodes);
    search->inodes[search->inode_count++] = (struct inode){socket->inode, at};
}

static int by_inode(const void *a, const void *b)
{
    uint32_t left = ((const struct inode *)a)->inode, right = ((const struct inode *)b)->inode;

    return left < right ? -1 : left > right;
}

/* ---- holders ---- */

/* The command line with its words parted by blanks. @return for free() */
static char *command_of(int process)
{
    char text[COMMAND_MAX + 1];
    int fd = openat(process, "cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, COMMAND_MAX);

    if (fd >= 0)
        close(fd);
    while (n > 0 && text[n - 1] == '\0')
        n--;
    for (ssize_t i = 0; i < n; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    return mem_string(span_of(text, n > 0 ? (size_t)n : 0));
}

/* The effective user: the folder's owner is root for processes that hide their memory.
 * @return whether the process is still there */
static bool user_of(int process, uid_t *ret_uid)
{
    char text[1024];
    unsigned uid;
    int fd = openat(process, "status", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, text, sizeof text - 1);

    if (fd >= 0)
        close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *line = strstr(text, "\nUid:");
    if (!line || sscanf(line, "\nUid: %*u %u", &uid) != 1)
        return false;
    *ret_uid = uid;
    return true;
}

static void add_holder(struct listener *listener, pid_t pid, int process)
{
    uid_t uid;

    for (size_t i = 0; i < listener->holder_count; i++)
        if (listener->holders[i].pid == pid)
            return;
    if (listener->holder_count == LISTENER_HOLDERS_MAX) {
        listener->holders_more++;
        return;
    }
    if (!user_of(process, &uid))
        return;
    listener->holders =
        mem_resize(listener->holders, listener->holder_count + 1, sizeof *listener->holders);
    struct listener_holder *holder = &listener->holders[listener->holder_count++];
    *holder = (struct listener_holder){.pid = pid, .uid = uid, .command = command_of(process)};
    process_name(pid, holder->program);
    if (!listener->container[0])
        container_of_process(pid, listener->container);
}

/* Looks through one process's descriptors. */
static void look_at(struct search *search, int process, pid_t pid)
{
    char link[64];
    unsigned inode;
    int fd = openat(process, "fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir) {
        if (fd >= 0)
            close(fd);
        else if (errno == EACCES)
            search->result->hidden++;
        return;
    }
    for (const struct dirent *e; (e = readdir(dir));) {
        ssize_t n = readlinkat(fd, e->d_name, link, sizeof link - 1);
        link[n > 0 ? n : 0] = '\0';
        if (sscanf(link, "socket:[%u]", &inode) != 1)
            continue;
        const struct inode *found = bsearch(&(struct inode){.inode = inode}, search->inodes,
                                            search->inode_count, sizeof *found, by_inode);
        if (found)
            add_holder(&search->result->items[found->listener], pid, process);
    }
    closedir(dir);
}

static void find_holders(struct search *search)
{
    DIR *proc = opendir("/proc");

    if (!proc)
        return;
    qsort(search->inodes, search->inode_count, sizeof *search->inodes, by_inode);
    for (const struct dirent *e; (e = readdir(proc));) {
        if (!isdigit((unsigned char)e->d_name[0]))
            continue;
        /* A process that ends meanwhile is no trouble: its folder answers with errors. */
        int process = openat(dirfd(proc), e->d_name, O_PATH | O_DIRECTORY | O_CLOEXEC);
        if (process < 0)
            continue;
        look_at(search, process, (pid_t)strtol(e->d_name, NULL, 10));
        close(process);
    }
    closedir(proc);
}

static int by_pid(const void *a, const void *b)
{
    pid_t left = ((const struct listener_holder *)a)->pid;
    pid_t right = ((const struct listener_holder *)b)->pid;

    return left < right ? -1 : left > right;
}

/* ---- the whole ---- */

static void look_here(struct search *search, const uint16_t *ports, size_t count)
{
    static const int protocols[] = {IPPROTO_TCP, IPPROTO_UDP};
    struct listeners *result = search->result;

    for (size_t p = 0; p < ARRAY_SIZE(protocols); p++)
        for (size_t i = 0; i < count; i++) {
            struct sockdiag_list list = {0};
            int r = sockdiag_list(protocols[p], ports[i], &list);
            for (size_t s = 0; s < list.count; s++)
                add_socket(search, &(struct listeners_space_socket){.socket = list.items[s],
                                                                    .connects = -ECANCELED});
            result->dropped += list.dropped;
            if (r < 0)
                *(p == 0 ? &result->tcp_error : &result->udp_error) = r;
            sockdiag_finish(&list);
        }
}

static void connect_all(struct listeners *result)
{
    nsec_t end = nsec_monotonic() + CONNECT_ALL * NSEC_PER_MSEC;

    for (size_t i = 0; i < result->count && nsec_monotonic() < end; i++)
        if (result->items[i].socket.protocol == IPPROTO_TCP && !result->items[i].space)
            result->items[i].connects = sockdiag_connect(&result->items[i].socket, CONNECT_MOST);
}

void listeners_look(const uint16_t *ports, size_t count, unsigned how,
                    struct listeners *ret_listeners)
{
    struct search search = {.result = ret_listeners};

    *ret_listeners = (struct listeners){0};
    look_here(&search, ports, count);
    if (how & LISTENERS_CONNECT)
        connect_all(ret_listeners);
    if (how & LISTENERS_SPACES) {
        struct listeners_spaces spaces;
        listeners_spaces_look(ports, count, how & LISTENERS_CONNECT ? CONNECT_MOST : 0, &spaces);
        for (size_t i = 0; i < spaces.count; i++)
            add_socket(&search, &spaces.items[i]);
        ret_listeners->spaces = spaces.looked;
        ret_listeners->spaces_hidden = spaces.hidden;
        ret_listeners->spaces_veiled = spaces.veiled;
        ret_listeners->dropped += spaces.dropped;
        listeners_spaces_finish(&spaces);
    }
    if (search.inode_count)
        find_holders(&search);
    for (size_t i = 0; i < ret_listeners->count; i++)
        if (ret_listeners->items[i].holder_count)
            qsort(ret_listeners->items[i].holders, ret_listeners->items[i].holder_count,
                  sizeof(struct listener_holder), by_pid);
    free(search.inodes);
}

void listeners_finish(struct listeners *listeners)
{
    for (size_t i = 0; i < listeners->count; i++) {
        for (size_t h = 0; h < listeners->items[i].holder_count; h++)
            free(listeners->items[i].holders[h].command);
        free(listeners->items[i].holders);
    }
    free(listeners->items);
    *listeners = (struct listeners){0};
}
