/* Who hears of what: events of processes, workers, the watchdog and served folders, each of which
 * knows nothing of the guardian, lead to what the guardian does. */
#include <errno.h>
#include <netinet/in.h>

#include "app/control_bans.h"
#include "app/guardian_state.h"
#include "app/reload.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"

/* ---- processes ---- */

static void on_process_started(void *context, enum process_id id)
{
    struct guardian *g = context;
    const struct deployment *deployment = g->live ? g->live : g->next;

    if (id == PROCESS_KEYS)
        key_ring_give_all(g);
    else if (id == PROCESS_LOGS && deployment)
        deployment_send_logs(g, deployment);
}

static void on_process_ended(void *context, enum process_id id)
{
    if (id == PROCESS_KEYS)
        key_ring_keys_gone(context);
    else if (id == PROCESS_BANS)
        control_bans_lost(context);
}

static void on_process_channel(void *context, enum process_id id)
{
    supervise_connect(&((struct guardian *)context)->workers, id);
}

static void log_trouble(const struct guardian *g, const struct ipc_message *message)
{
    const char *name = message->text_len && message->text[0] == IPC_LOG_ACCESS ? "access" : "error";
    uint64_t lines = 0;

    if (message->text_len < 2 ||
        span_to_uint(span_of(message->text + 1, message->text_len - 1), &lines) < 0)
        return;
    if (message->value == 0)
        log_event(&g->log, LOG_WARNING, "a log is written again", "log=%s dropped=%llu", name,
                  (unsigned long long)lines);
    else
        log_event(&g->log, LOG_ERROR, "lines of a log are lost", "log=%s reason=\"%s\"", name,
                  message->value == EAGAIN ? "nobody reads it" : error_text(-(int)message->value));
}

static void on_process_message(void *context, enum process_id id, const struct ipc_message *message)
{
    struct guardian *g = context;

    if (id == PROCESS_KEYS)
        key_ring_hear(g, message);
    else if (id == PROCESS_BANS && message->kind == IPC_BANS_ANSWER)
        control_bans_hear(g, message);
    else if (id == PROCESS_LOGS && message->kind == IPC_LOG_TROUBLE)
        log_trouble(g, message);
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

/* Ports that other hosts may want to reach. */
static void public_ports(const struct endpoints *endpoints, struct ports *ret_ports)
{
    *ret_ports = (struct ports){.count = 0};
    for (size_t i = 0; i < endpoints->count; i++) {
        const struct socket_address *address = &endpoints->items[i].address;
        enum port_protocol protocol = endpoints->items[i].datagrams ? PORT_UDP : PORT_TCP;
        if (!is_loopback(address) &&
            ports_add(ret_ports, (struct port){socket_address_port(address), protocol}) < 0)
            return;
    }
}

/* While settings are given out their processes hear of them; ports are those in force. */
static void process_orders(void *context, struct process_orders *ret_orders)
{
    const struct guardian *g = context;
    const struct deployment *deployment = g->next ? g->next : g->live;

    *ret_orders = (struct process_orders){.state_fd = g->state_fd};
    if (deployment) {
        ret_orders->settings = deployment->prepared.settings;
        ret_orders->text = deployment->prepared.text;
    }
    if (g->live)
        public_ports(&g->live->endpoints, &ret_orders->ports);
}

/* ---- workers ---- */

static int on_worker_started(void *context, struct worker_process *worker)
{
    struct guardian *g = context;
    const struct deployment *deployment = g->next ? g->next : g->live;

    supervise_note_folders(worker, &deployment->folders);
    int r = deployment_send(g, deployment, worker);
    if (r >= 0)
        acme_greet_worker(g, worker->child.socket);
    return r;
}

static void on_worker_applied(void *context, struct worker_process *worker, uint64_t generation)
{
    reload_on_applied(context, worker, generation);
}

static void on_worker_failed(void *context, uint64_t generation, const char *why)
{
    struct guardian *g = context;

    reload_on_failed(g, generation ? generation : g->generation, why);
}

/* ---- the watchdog, and folders ---- */

static nsec_t watchdog_deadline(void *context)
{
    const struct guardian *g = context;
    bool watched = g->live && g->phase != PHASE_STARTING;

    return watched ? g->live->prepared.settings->watchdog : 0;
}

static uint64_t watchdog_generation(void *context)
{
    return ((const struct guardian *)context)->generation;
}

static bool folders_served(void *context, const struct served_folders **ret_folders,
                           const struct settings **ret_settings)
{
    const struct guardian *g = context;

    if (g->phase != PHASE_SERVING || g->next || g->prepare.pid)
        return false;
    *ret_folders = &g->live->folders;
    *ret_settings = g->live->prepared.settings;
    return true;
}

static void on_folder_moved(void *context)
{
    reload_folders(context);
}

/* ---- an upgrade ---- */

static const char *upgrade_refusal(void *context)
{
    const struct guardian *g = context;

    if (g->next || g->prepare.pid)
        return "a reload is under way; try again when it is over";
    if (g->phase == PHASE_HANDED_OVER)
        return "another program has taken over already: ask that one";
    return g->phase == PHASE_SERVING ? NULL : "gardien is not serving now";
}

static void upgrade_bundle(void *context, struct upgrade_bundle *ret_bundle)
{
    const struct guardian *g = context;

    *ret_bundle = (struct upgrade_bundle){.endpoints = g->live->endpoints,
                                          .lock_fd = g->lock_fd,
                                          .ticket_key_count = g->ticket_key_count};
    memcpy(ret_bundle->ticket_keys, g->ticket_keys, sizeof g->ticket_keys);
    memcpy(ret_bundle->quic_secret, g->quic_secret, sizeof g->quic_secret);
    memcpy(ret_bundle->udp_generations, g->workers.udp_generations,
           sizeof g->workers.udp_generations);
}

/* Another program serves: hand over, and drain. */
static bool on_successor(void *context, pid_t pid)
{
    struct guardian *g = context;
    scoped(mem_release) char *main_pid = mem_format("MAINPID=%d", (int)pid);

    if (g->phase != PHASE_SERVING)
        return false;
    log_event(&g->log, LOG_NOTICE, "another program took over, draining", "pid=%d", (int)pid);
    process_notify(main_pid);
    control_upgrade_done(g, true, "");
    control_finish(g, false);
    g->successor = pid;
    g->phase = PHASE_HANDED_OVER;
    g->workers.ending = true;
    processes_abandon(&g->processes);
    endpoints_finish(&g->live->endpoints);
    supervise_drain_all(&g->workers, DRAIN_AFTER_RELOAD);
    guardian_on_worker_gone(g);
    return true;
}

static void on_upgrade_failed(void *context, const char *why)
{
    control_upgrade_done(context, false, why);
}

/* ---- all of it ---- */

void guardian_wire(struct guardian *g)
{
    processes_init(&g->processes);
    g->host.secrets = g->ticket_keys;
    g->host.secrets_len = sizeof g->ticket_keys + sizeof g->quic_secret;
    g->processes.log = &g->log;
    g->processes.host = &g->host;
    g->processes.events =
        (struct process_events){on_process_started, on_process_ended, on_process_channel,
                                on_process_message, process_orders,   g};
    g->workers = (struct workers){.log = &g->log,
                                  .host = &g->host,
                                  .processes = &g->processes,
                                  .events = {on_worker_started, on_worker_applied, on_worker_failed,
                                             guardian_on_worker_gone, g}};
    list_init(&g->workers.list);
    g->watchdog = (struct watchdog){.log = &g->log,
                                    .workers = &g->workers,
                                    .processes = &g->processes,
                                    .deadline = watchdog_deadline,
                                    .generation = watchdog_generation,
                                    .context = g};
    g->upgrade = (struct upgrade){
        .log = &g->log,
        .argv = g->options->argv,
        .events = {upgrade_refusal, upgrade_bundle, on_successor, on_upgrade_failed, g},
        .watch.fd = -1,
        .predecessor = -1};
    g->folders =
        (struct folders_watch){.served = folders_served, .on_moved = on_folder_moved, .context = g};
}
