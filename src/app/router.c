/* The guardian's side of the process that keeps ports mapped at a home router: when it runs, which
 * ports it is told of, how it ends. Asking the router is router_process.c's. */
#include "app/router.h"

#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "app/internal.h"
#include "base/mem.h"
#include "os/process.h"

#define RESTART (10 * NSEC_PER_SEC)
#define END_MOST (6 * NSEC_PER_SEC) /* to give the ports back */

static bool is_loopback(const struct socket_address *address)
{
    const struct sockaddr_storage *storage = &address->storage;

    if (address->any)
        return false;
    if (storage->ss_family == AF_INET)
        return ntohl(((const struct sockaddr_in *)storage)->sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)storage)->sin6_addr);
}

/* What strangers may want: the ports of addresses that they can reach. */
static void wanted_ports(const struct guardian *g, struct ports *ret_ports)
{
    const struct endpoints *endpoints = &g->live->endpoints;

    *ret_ports = (struct ports){.count = 0};
    if (!g->live->prepared.settings->firewall.router)
        return;
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct socket_address *address = &endpoints->items[i].address;
        if (!is_loopback(address) &&
            ports_add(ret_ports, (struct port){socket_address_port(address), PORT_TCP}) < 0)
            return;
    }
}

/* ---- the process ---- */

static void forget(struct guardian *g)
{
    if (g->router.socket < 0)
        return;
    loop_remove(g->loop, &g->router.watch);
    close(g->router.socket);
    g->router.socket = -1;
}

static void on_news(struct loop_watch *watch, unsigned events)
{
    struct guardian *g = container_of(watch, struct guardian, router.watch);
    struct router_news news;
    char quoted[2 * ROUTER_NEWS_TEXT];

    (void)events;
    ssize_t n = recv(watch->fd, &news, sizeof news, MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n != sizeof news || !memchr(news.text, '\0', sizeof news.text)) {
        forget(g); /* its end follows */
        return;
    }
    log_event(&g->log, news.level == LOG_NOTICE ? LOG_NOTICE : LOG_WARNING, "router", "said=%s",
              log_quoted(quoted, sizeof quoted, span_str(news.text)));
}

static int start(struct guardian *g)
{
    int ends[2];

    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) < 0)
        return -errno;
    pid_t pid = process_fork("gardien router", &ends[1], 1);
    if (pid == 0) {
        explicit_bzero(g->ticket_keys, sizeof g->ticket_keys); /* it meets a peer's bytes */
        router_process_run(g->user, 3);
    }
    close(ends[1]);
    if (pid < 0) {
        close(ends[0]);
        return pid;
    }
    g->router.pid = pid;
    g->router.socket = ends[0];
    g->router.watch = (struct loop_watch){ends[0], on_news};
    return loop_add(g->loop, &g->router.watch, LOOP_LEVEL);
}

static void order(struct guardian *g, const struct ports *ports)
{
    struct router_order order = {.ports = *ports};

    if (send(g->router.socket, &order, sizeof order, MSG_NOSIGNAL | MSG_DONTWAIT) < 0)
        log_event(&g->log, LOG_WARNING, "the router's process does not listen", "error=%d", errno);
}

void router_follow(struct guardian *g)
{
    struct ports ports;
    int r = 0;

    wanted_ports(g, &ports);
    if (!ports.count) {
        loop_timer_cancel(g->loop, &g->router_restart);
        forget(g); /* it gives back what it has, and ends */
        return;
    }
    if (!g->router.pid)
        r = start(g);
    if (r < 0)
        log_event(&g->log, LOG_ERROR, "no process can be started to ask the router", "error=%d", r);
    else if (g->router.socket >= 0)
        order(g, &ports);
}

static void on_restart(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, router_restart);

    (void)now;
    if (g->phase == PHASE_SERVING)
        router_follow(g);
}

bool router_on_exit(struct guardian *g, pid_t pid)
{
    if (pid != g->router.pid)
        return false;
    forget(g);
    g->router.pid = 0;
    if (g->phase == PHASE_SERVING) { /* it crashed, or the settings changed twice meanwhile */
        g->router_restart.on_timeout = on_restart;
        loop_timer_set(g->loop, &g->router_restart, nsec_monotonic() + RESTART);
    }
    return true;
}

void router_release(struct guardian *g)
{
    loop_timer_cancel(g->loop, &g->router_restart);
    forget(g);
}

void router_abandon(struct guardian *g)
{
    router_release(g);
    if (g->router.pid)
        kill(g->router.pid, SIGKILL);
}

void router_await(struct guardian *g)
{
    nsec_t until = nsec_monotonic() + END_MOST;

    while (g->router.pid) {
        pid_t pid = waitpid(g->router.pid, NULL, WNOHANG);
        if (pid == g->router.pid || (pid < 0 && errno != EINTR)) {
            g->router.pid = 0;
        } else if (nsec_monotonic() > until) {
            kill(g->router.pid, SIGKILL);
            until = NSEC_NEVER;
        } else {
            nanosleep(&(struct timespec){.tv_nsec = 10 * NSEC_PER_MSEC}, NULL);
        }
    }
}
