/* The guardian's side of the processes that keep doors open: when each runs, which ports it is told
 * of, how it ends. Opening is router_process.c's and firewall_process.c's. */
#include "app/doors.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/mem.h"
#include "os/process.h"

#define RESTART (10 * NSEC_PER_SEC)
#define END_MOST (20 * NSEC_PER_SEC) /* to give the ports back: firewalld may take its time */

static const struct door_kind {
    const char *name; /* of its process, and in the log */
    size_t setting;   /* offset in struct settings_firewall */
    void (*run)(const struct door_start *start);
} kinds[DOORS] = {
    [DOOR_ROUTER] = {"router", offsetof(struct settings_firewall, router), router_process_run},
    [DOOR_FIREWALL] = {"firewall", offsetof(struct settings_firewall, open), firewall_process_run},
};

static const struct door_kind *kind_of(const struct guardian *g, const struct door *door)
{
    return &kinds[door - g->doors];
}

static bool is_loopback(const struct socket_address *address)
{
    const struct sockaddr_storage *storage = &address->storage;

    if (address->any)
        return false;
    if (storage->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)storage)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)storage)->sin6_addr);
}

static bool is_wished(const struct guardian *g, const struct door *door)
{
    const char *settings = (const char *)&g->live->prepared.settings->firewall;

    return *(const bool *)(settings + kind_of(g, door)->setting);
}

/* What strangers may want: the ports of addresses that they can reach. */
static void wanted_ports(const struct guardian *g, struct ports *ret_ports)
{
    const struct endpoints *endpoints = &g->live->endpoints;

    *ret_ports = (struct ports){.count = 0};
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct socket_address *address = &endpoints->items[i].address;
        if (!is_loopback(address) &&
            ports_add(ret_ports, (struct port){socket_address_port(address), PORT_TCP}) < 0)
            return;
    }
}

/* ---- a process ---- */

static void forget(struct door *door)
{
    if (!door->guardian || door->child.socket < 0)
        return;
    loop_remove(door->guardian->loop, &door->child.watch);
    close(door->child.socket);
    door->child.socket = -1;
}

static void on_news(struct loop_watch *watch, unsigned events)
{
    struct door *door = container_of(watch, struct door, child.watch);
    struct guardian *g = door->guardian;
    struct door_news news;
    char quoted[2 * DOOR_NEWS_TEXT];

    (void)events;
    ssize_t n = recv(watch->fd, &news, sizeof news, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != sizeof news || !memchr(news.text, '\0', sizeof news.text)) {
        forget(door); /* its end follows */
        return;
    }
    log_event(&g->log, news.level == LOG_NOTICE ? LOG_NOTICE : LOG_WARNING, kind_of(g, door)->name,
              "said=%s", log_quoted(quoted, sizeof quoted, span_str(news.text)));
}

static int start(struct guardian *g, struct door *door)
{
    const struct door_kind *kind = kind_of(g, door);
    scoped(mem_release) char *name = mem_format("gardien %s", kind->name);
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid_t pid = process_fork(name, &ends[1], 1);
    if (pid == 0) {
        const struct door_start begin = {g->user, g->live->prepared.state, 3};
        explicit_bzero(g->ticket_keys, sizeof g->ticket_keys); /* it meets others' bytes */
        kind->run(&begin);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return pid;
    }
    door->guardian = g;
    door->child.pid = pid;
    door->child.socket = ends[0];
    door->child.watch = (struct loop_watch){.fd = ends[0], .on_event = on_news};
    return loop_add(g->loop, &door->child.watch, LOOP_LEVEL);
}

static void order(struct guardian *g, struct door *door, const struct ports *ports)
{
    struct door_order order = {.ports = *ports};

    if (send(door->child.socket, &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_event(&g->log, LOG_WARNING, "a process does not listen", "process=%s error=%d",
                  kind_of(g, door)->name, errno);
}

static void follow(struct guardian *g, struct door *door)
{
    struct ports ports;
    int r = 0;

    wanted_ports(g, &ports);
    if (!is_wished(g, door) || !ports.count) {
        loop_timer_cancel(g->loop, &door->restart);
        forget(door); /* it gives back what it has, and ends */
        return;
    }
    if (!door->child.pid)
        r = start(g, door);
    if (r < 0)
        log_event(&g->log, LOG_ERROR, "a process cannot be started", "process=%s error=%d",
                  kind_of(g, door)->name, r);
    else if (door->child.socket >= 0)
        order(g, door, &ports);
}

static void on_restart(struct loop_timer *timer, nsec_t now)
{
    struct door *door = container_of(timer, struct door, restart);

    (void)now;
    if (door->guardian->phase == PHASE_SERVING)
        follow(door->guardian, door);
}

/* ---- all of them ---- */

void doors_follow(struct guardian *g)
{
    for (size_t i = 0; i < DOORS; i++)
        follow(g, &g->doors[i]);
}

bool doors_on_exit(struct guardian *g, pid_t pid)
{
    for (size_t i = 0; i < DOORS; i++) {
        struct door *door = &g->doors[i];
        if (pid != door->child.pid)
            continue;
        forget(door);
        door->child.pid = 0;
        if (g->phase == PHASE_SERVING) { /* it crashed, or the settings changed twice meanwhile */
            door->restart.on_timeout = on_restart;
            loop_timer_set(g->loop, &door->restart, nsec_monotonic() + RESTART);
        }
        return true;
    }
    return false;
}

void doors_release(struct guardian *g)
{
    for (size_t i = 0; i < DOORS; i++) {
        loop_timer_cancel(g->loop, &g->doors[i].restart);
        forget(&g->doors[i]);
    }
}

void doors_abandon(struct guardian *g)
{
    for (size_t i = 0; i < DOORS; i++)
        if (g->doors[i].child.pid)
            kill(g->doors[i].child.pid, SIGKILL);
    doors_release(g);
}

void doors_await(struct guardian *g)
{
    nsec_t until = nsec_monotonic() + END_MOST;

    for (size_t i = 0; i < DOORS; i++) {
        pid_t *awaited = &g->doors[i].child.pid;
        while (*awaited) {
            pid_t pid = waitpid(*awaited, NULL, WNOHANG);
            if (pid == *awaited || (pid < 0 && errno != EINTR)) {
                *awaited = 0;
            } else if (nsec_monotonic() > until) {
                kill(*awaited, SIGKILL);
                waitpid(*awaited, NULL, 0);
                *awaited = 0;
            } else {
                nanosleep(&(struct timespec){.tv_nsec = 10 * NSEC_PER_MSEC}, NULL);
            }
        }
    }
}

/* ---- for the processes ---- */

void door_tell(int socket, int level, const char *text)
{
    struct door_news news = {.level = level};

    snprintf(news.text, sizeof news.text, "%s", text);
    /* A guardian that does not listen is about to end. */
    ssize_t n = send(socket, &news, sizeof news, MSG_NOSIGNAL | MSG_DONTWAIT);
    (void)n;
}

void door_tell_findings(int socket, const struct findings *findings)
{
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *finding = &findings->items[i];
        scoped(mem_release) char *text = mem_format(
            "%s%s%s%s%s", finding->subject ? finding->subject : "", finding->subject ? ": " : "",
            finding->sentence, finding->hint ? "; " : "", finding->hint ? finding->hint : "");
        door_tell(socket, finding->grade >= FINDING_WARNING ? LOG_WARNING : LOG_NOTICE, text);
    }
}
