/* The process that asks the router for as long as gardien serves: again after half of each lease,
 * and after a while where it was refused. It holds no key and no right. */
#include <string.h>

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
#define RENEW_MIN (5 * NSEC_PER_SEC) /* whatever lease a router grants */

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

    loop_timer_set(keep->loop, &keep->again, nsec_monotonic() + wait);
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
