/* The process that asks the router for as long as gardien serves: again after half of each lease,
 * and after a while where it was refused. It holds no key and no right. When it runs is doors.c's.
 */
#include "app/doors.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "os/sandbox.h"
#include "router/router.h"

#define RETRY_MIN (30 * NSEC_PER_SEC)
#define RETRY_MAX (3600 * NSEC_PER_SEC)
#define RENEW_MIN (5 * NSEC_PER_SEC) /* whatever lease a router grants */

struct keep {
    int socket;
    struct ports ports; /* mapped, or to be */
    struct router_answer last;
    int last_error;
    bool told;
    bool mapped; /* the router sends, or did, something to us */
    nsec_t retry;
    nsec_t next; /* monotonic time to ask again; NSEC_NEVER without ports */
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
    door_tell_findings(keep->socket, &findings);
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
            door_tell(keep->socket, LOG_WARNING, error_text(r));
        else
            tell_judgement(keep, &answer);
    }
    keep->mapped = keep->mapped || any_mapped(&answer);
    if (r == 0 && router_fine(&answer)) {
        keep->retry = RETRY_MIN / 2;
        nsec_t renew = router_renew_after(&answer) * NSEC_PER_SEC;
        return renew == 0 ? RETRY_MAX : renew < RENEW_MIN ? RENEW_MIN : renew;
    }
    keep->retry = keep->retry * 2 < RETRY_MAX ? keep->retry * 2 : RETRY_MAX;
    return keep->retry;
}

/* Waits for an order. @return 1 with one; 0 when it is time to ask again; ERR_CLOSED at the end */
static int await(const struct keep *keep, struct door_order *ret_order)
{
    struct pollfd wait = {.fd = keep->socket, .events = POLLIN};
    nsec_t left = keep->next == NSEC_NEVER ? -NSEC_PER_MSEC : keep->next - nsec_monotonic();

    if (keep->next != NSEC_NEVER && left < 0)
        left = 0;
    int n = poll(&wait, 1, (int)(left / NSEC_PER_MSEC));

    if (n == 0 || (n < 0 && errno == EINTR))
        return 0;
    ssize_t got = n < 0 ? -1 : recv(keep->socket, ret_order, sizeof *ret_order, 0);
    return got == sizeof *ret_order ? 1 : ERR_CLOSED;
}

/* Ports that are wanted no more are given back; new ones are asked for at once. */
static void obey(struct keep *keep, const struct door_order *order)
{
    struct ports gone = {.count = 0};
    bool fresh = false;

    for (size_t i = 0; i < order->ports.count; i++)
        fresh = fresh || !ports_have(&keep->ports, order->ports.items[i]);

    for (size_t i = 0; i < keep->ports.count; i++)
        if (!ports_have(&order->ports, keep->ports.items[i]))
            gone.items[gone.count++] = keep->ports.items[i];
    if (gone.count && keep->mapped)
        ask(keep, &gone, true);
    keep->ports = order->ports;
    if (fresh)
        keep->next = nsec_monotonic();
}

void router_process_run(const struct door_start *start)
{
    scoped(mem_release) struct keep *keep = mem_new(struct keep);
    scoped(mem_release) struct door_order *order = mem_new(struct door_order);
    int r = start->user ? sandbox_switch_user(start->user) : 0;

    keep->socket = start->socket;
    keep->retry = RETRY_MIN / 2;
    keep->next = NSEC_NEVER;
    if (r >= 0)
        r = sandbox_no_new_privs();
    while (r >= 0) {
        r = await(keep, order);
        if (r == 1)
            obey(keep, order);
        if (r >= 0 && keep->ports.count && nsec_monotonic() >= keep->next)
            keep->next = ask(keep, &keep->ports, false) + nsec_monotonic();
    }
    if (keep->mapped)
        ask(keep, &keep->ports, true);
    _exit(r == ERR_CLOSED ? 0 : 1);
}
