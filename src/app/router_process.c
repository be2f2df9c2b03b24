/* The process that asks the router for as long as gardien serves: again after half of each lease,
 * and after a while where it was refused. It holds no key and no right. */
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/loop.h"
#include "report/finding.h"
#include "router/router.h"

#define RETRY_MIN (30 * NSEC_PER_SEC)
#define RETRY_MAX (3600 * NSEC_PER_SEC)
#define PROBE_EVERY (60 * NSEC_PER_SEC) /* whether a NAT-PMP router has its mappings still */
#define LOST_AGAIN (5 * NSEC_PER_SEC)   /* however often a router says that it began anew */
#define RENEW_MIN (5 * NSEC_PER_SEC)    /* whatever lease a router grants */

struct keep {
    const struct process_start *start;
    struct loop *loop;
    struct loop_timer again;
    struct ports ports; /* mapped, or to be */
    struct router_answer last;
    int last_error;
    bool told;
    bool mapped; /* the router sends, or did, something to us */
    nsec_t retry;
    struct router_epoch epoch;
    struct in_addr router; /* that speaks NAT-PMP; 0: none */
    struct loop_watch announcements;
    struct loop_watch answers;
    struct loop_timer probe;
    nsec_t asked_at;
};

/* Leases run on; everything else that changes is news. */
static bool is_news(struct keep *keep, const struct router_answer *answer, int error)
{
    struct router_answer plain = *answer;

    for (size_t i = 0; i < plain.count; i++)
        plain.ports[i].lease = 0;
    bool same =
        keep->told && keep->last_error == error && memcmp(&keep->last, &plain, sizeof plain) == 0;
    keep->told = true;
    keep->last = plain;
    keep->last_error = error;
    return !same;
}

static void tell_judgement(const struct keep *keep, const struct router_answer *answer)
{
    struct findings findings = {0};

    router_judge(answer, nsec_realtime(), &findings);
    process_note_findings(keep->start, &findings);
    findings_finish(&findings);
}

static bool any_mapped(const struct router_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++)
        if (answer->ports[i].outcome == ROUTER_MAPPED)
            return true;
    return false;
}

/* Asks for some ports, or gives them back. @return when to ask again, ns from now */
static nsec_t ask(struct keep *keep, const struct ports *ports, bool close)
{
    struct router_request request = {.ports = *ports, .close = close, .lease = ROUTER_LEASE_SHORT};
    struct router_answer answer = {.count = 0};
    int r = router_talk(&request, &answer);

    if (is_news(keep, &answer, r)) {
        if (r < 0)
            process_note(keep->start, LOG_WARNING, "%s", error_text(r));
        else
            tell_judgement(keep, &answer);
    }
    keep->mapped = keep->mapped || any_mapped(&answer);
    if (r == 0 &&
        (!answer.heard[ROUTER_NATPMP] || inet_pton(AF_INET, answer.router, &keep->router) != 1))
        keep->router.s_addr = 0;
    if (r == 0 && router_fine(&answer)) {
        keep->retry = RETRY_MIN / 2;
        nsec_t renew = router_renew_after(&answer) * NSEC_PER_SEC;
        return renew == 0 ? RETRY_MAX : renew < RENEW_MIN ? RENEW_MIN : renew;
    }
    keep->retry = keep->retry * 2 < RETRY_MAX ? keep->retry * 2 : RETRY_MAX;
    return keep->retry;
}

static void ask_again(struct keep *keep)
{
    nsec_t wait = ask(keep, &keep->ports, false);
    nsec_t now = nsec_monotonic();

    keep->asked_at = now;
    loop_timer_set(keep->loop, &keep->again, now + wait);
    if (keep->mapped && keep->router.s_addr) {
        router_epoch_begin(&keep->epoch, now);
        loop_timer_set(keep->loop, &keep->probe, now);
    }
}

/* ---- a router that begins anew ---- */

/* Asks for the address outside: each answer carries the router's epoch. */
static void on_probe(struct loop_timer *timer, nsec_t now)
{
    static const char request[2] = {0, 0};
    struct keep *keep = container_of(timer, struct keep, probe);
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons(ROUTER_NATPMP_PORT), .sin_addr = keep->router};

    /* One that gets lost is followed by another. */
    ssize_t n = sendto(keep->answers.fd, request, sizeof request, MSG_DONTWAIT,
                       (const struct sockaddr *)&to, sizeof to);
    (void)n;
    loop_timer_set(keep->loop, timer, now + PROBE_EVERY);
}

static void hear_router(struct keep *keep, int fd)
{
    struct sockaddr_in from;
    socklen_t len = sizeof from;
    char packet[64];
    nsec_t now = nsec_monotonic();

    ssize_t n = recvfrom(fd, packet, sizeof packet, MSG_DONTWAIT, (struct sockaddr *)&from, &len);
    if (n < 0 || !keep->router.s_addr || from.sin_addr.s_addr != keep->router.s_addr)
        return;
    if (router_epoch_hear(&keep->epoch, span_of(packet, (size_t)n), now) != 1)
        return;
    process_note(keep->start, LOG_NOTICE,
                 "the router began anew and forgot what it was asked: asking it again");
    /* One that says so all the time is asked every few seconds, not more. */
    loop_timer_set(keep->loop, &keep->again, keep->asked_at + LOST_AGAIN);
}

static void on_announcement(struct loop_watch *watch, unsigned events)
{
    (void)events;
    hear_router(container_of(watch, struct keep, announcements), watch->fd);
}

static void on_answer(struct loop_watch *watch, unsigned events)
{
    (void)events;
    hear_router(container_of(watch, struct keep, answers), watch->fd);
}

/* @param port  0: any. @return 0, or -errno with watch->fd -1 */
static int listen_at(struct keep *keep, struct loop_watch *watch, uint16_t port)
{
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(port)};
    int on = 1, fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);

    watch->fd = fd;
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on); /* others listen there too */
    int r = bind(fd, (const struct sockaddr *)&any, sizeof any) < 0 ? -errno : 0;
    if (r >= 0)
        r = loop_add(keep->loop, watch, LOOP_LEVEL);
    if (r < 0) {
        close(fd);
        watch->fd = -1;
    }
    return r;
}

static void on_again(struct loop_timer *timer, nsec_t now)
{
    (void)now;
    ask_again(container_of(timer, struct keep, again));
}

/* Ports that are wanted no more are given back; new ones are asked for at once. */
static int on_order(void *context, struct ipc_message *message)
{
    struct keep *keep = context;
    struct ports wanted, gone = {.count = 0};
    bool fresh = false;

    if (message->kind != IPC_PORTS)
        return 0;
    if (message->text_len != sizeof wanted)
        return ERR_PROTOCOL;
    memcpy(&wanted, message->text, sizeof wanted);
    for (size_t i = 0; i < wanted.count; i++)
        fresh = fresh || !ports_have(&keep->ports, wanted.items[i]);
    for (size_t i = 0; i < keep->ports.count; i++)
        if (!ports_have(&wanted, keep->ports.items[i]))
            gone.items[gone.count++] = keep->ports.items[i];
    if (gone.count && keep->mapped)
        ask(keep, &gone, true);
    keep->ports = wanted;
    if (fresh)
        ask_again(keep);
    return 0;
}

static int begin(void *context, struct process_server *server)
{
    struct keep *keep = context;

    keep->loop = process_server_loop(server);
    keep->again.on_timeout = on_again;
    keep->probe.on_timeout = on_probe;
    keep->announcements.on_event = on_announcement;
    keep->answers.on_event = on_answer;
    /* Without one of them the other is enough; without both, leases are renewed in time. */
    (void)!listen_at(keep, &keep->announcements, ROUTER_EPOCH_PORT);
    (void)!listen_at(keep, &keep->answers, 0);
    return 0;
}

static void end(void *context)
{
    struct keep *keep = context;

    if (keep->mapped)
        ask(keep, &keep->ports, true);
}

int router_process_run(const struct process_start *start)
{
    static const struct process_service service = {
        .begin = begin, .on_order = on_order, .end = end};
    scoped(mem_release) struct keep *keep = mem_new(struct keep);

    keep->start = start;
    keep->retry = RETRY_MIN / 2;
    return process_serve(start, &service, keep);
}
