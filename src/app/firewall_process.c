/* The process that keeps the served ports open in this machine's firewall. It has root's rights,
 * since it changes rules, and meets no peer. How ports are opened is firewall/'s.
 *
 * What it opens itself it enters in the state folder as its own, so that it closes that and nothing
 * else, also when an earlier one was killed. */
#include <string.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/process_functions.h"
#include "base/error.h"
#include "base/log.h"
#include "base/mem.h"
#include "firewall/firewall.h"

struct keeper {
    const char *state;
    const struct process_start *start;
    struct ports handled; /* opened, or found open */
};

/* ---- what people are told ---- */

static void tell_diags(const struct keeper *keeper, const struct diags *diags)
{
    for (size_t i = 0; i < diags->count; i++) {
        const struct diag *diag = &diags->items[i];
        process_note(keeper->start, LOG_WARNING, "%s%s%s", diag->sentence, diag->hint ? "; " : "",
                     diag->hint ? diag->hint : "");
    }
}

static void tell_outcome(const struct keeper *keeper, struct port port,
                         const struct opening_plan *planned)
{
    const struct plan *plan = &planned->plan;
    bool untold = plan->count == 0 && planned->unseen;
    char text[PORT_TEXT];
    scoped(mem_release) char *line =
        untold ? mem_format("whether %s is open could not be told, and nothing was opened: the "
                            "firewall's rules cannot be seen without CAP_NET_ADMIN",
                            port_text(port, text))
        : plan->count
            ? mem_format("%s is opened by %s", port_text(port, text), plan->items[0].manager)
            : mem_format("%s is open already", port_text(port, text));

    process_note(keeper->start, untold ? LOG_WARNING : LOG_NOTICE, "%s", line);
    for (size_t i = 0; i < plan->notes.count; i++) /* notes are for who reads a plan */
        if (plan->notes.items[i].grade >= FINDING_WARNING) {
            const struct findings one = {.items = &plan->notes.items[i], .count = 1};
            process_note_findings(keeper->start, &one);
        }
}

/* A port that a probe does not reach is worth a word; that it reaches it is not. */
static void prove(const struct keeper *keeper, const struct firewall_request *request)
{
    struct findings proof = {0};

    if (open_prove(request, &proof) > 0)
        for (size_t i = 0; i < proof.count; i++)
            if (proof.items[i].grade >= FINDING_WARNING) {
                const struct findings one = {.items = &proof.items[i], .count = 1};
                process_note_findings(keeper->start, &one);
            }
    findings_finish(&proof);
}

/* ---- one port ---- */

static int carry_out(const struct keeper *keeper, struct port port, bool opens,
                     const struct plan *plan, struct diags *diags)
{
    int r = opens ? opening_own(keeper->state, port, true, diags) : 0;

    if (r >= 0)
        r = opening_apply(plan, opens, keeper->state, diags);
    if (opens ? r < 0 : r >= 0) {
        int forgotten = opening_own(keeper->state, port, false, diags);
        r = r < 0 ? r : forgotten;
    }
    return r;
}

/* @return 0, or a negative error; what is wrong has been told */
static int change(const struct keeper *keeper, struct port port, bool opens)
{
    /* Where the settings of the machine may not be written, as under the systemd unit that comes
     * with gardien, the rules last as long as this process, which makes them anew at each start. */
    struct firewall_request request = {.ports = {.items = {port}, .count = 1},
                                       .live_only = access("/etc", W_OK) < 0};
    struct opening_plan planned;
    struct diags diags = {0};
    struct firewall_facts facts;
    int lock = opening_lock(keeper->state, NULL), r = lock;

    if (lock < 0) {
        diags_add(&diags, "%s cannot be locked: %s", keeper->state, error_text(lock));
    } else {
        firewall_facts_take(&facts, "", keeper->state);
        r = opens ? open_plan(&facts, &request, &diags, &planned)
                  : close_plan(&facts, &request, &diags, &planned);
        if (r >= 0 && planned.plan.count && planned.changed_by_root) {
            diag_hint(diags_add(&diags, "only root may change the firewall"), "sudo gardien %s %u",
                      opens ? "open" : "close", port.number);
            r = ERR_SETTINGS;
        }
        if (r >= 0 && (planned.plan.count || !opens))
            r = carry_out(keeper, port, opens, &planned.plan, &diags);
        if (r >= 0 && opens)
            tell_outcome(keeper, port, &planned);
        opening_plan_finish(&planned);
        firewall_facts_finish(&facts);
        opening_unlock(lock);
    }
    tell_diags(keeper, &diags);
    diags_finish(&diags);
    if (r >= 0 && opens)
        prove(keeper, &request);
    return r;
}

/* ---- orders ---- */

/* Closes what this or an earlier process opened and nobody wants any more. */
static void close_unwanted(const struct keeper *keeper, const struct ports *wanted)
{
    struct ports owned = opening_owned(keeper->state);

    for (size_t i = 0; i < owned.count; i++)
        if (!ports_have(wanted, owned.items[i]))
            (void)!change(keeper, owned.items[i], false); /* what is wrong has been told */
}

static int on_order(void *context, struct ipc_message *message)
{
    struct keeper *keeper = context;
    struct ports wanted, before = keeper->handled;

    if (message->kind != IPC_PORTS)
        return 0;
    if (message->text_len != sizeof wanted)
        return ERR_PROTOCOL;
    memcpy(&wanted, message->text, sizeof wanted);
    close_unwanted(keeper, &wanted);
    keeper->handled = wanted;
    for (size_t i = 0; i < wanted.count; i++)
        if (!ports_have(&before, wanted.items[i]))
            (void)!change(keeper, wanted.items[i], true); /* told; serving goes on */
    return 0;
}

static void end(void *context)
{
    const struct ports none = {.count = 0};

    close_unwanted(context, &none);
}

int firewall_process_run(const struct process_start *start)
{
    static const struct process_service service = {.on_order = on_order, .end = end};
    struct keeper keeper = {.state = start->state, .start = start};

    return process_serve(start, &service, &keeper);
}
