/* The table of processes. docs/architecture.md says why each is one. */
#include "app/process_functions.h"
#include "app/settings.h"
#include "app/upstreams.h"
#include "tls/tls.h"

#define END_SOON NSEC_PER_SEC
#define END_PORTS (20 * NSEC_PER_SEC) /* to give ports back: firewalld may take its time */

static bool firewall_wanted(const struct settings *settings)
{
    return settings->firewall.open;
}

static bool router_wanted(const struct settings *settings)
{
    return settings->firewall.router;
}

static const struct process_link worker_links[] = {
    {PROCESS_KEYS, KEYS_MAY_SHAKE_HANDS},
    {PROCESS_LOGS, 0},
    {PROCESS_CONNECTOR, 0},
    {PROCESS_BANS, 0},
};

static const struct process_link acme_links[] = {{PROCESS_KEYS, KEYS_MAY_CERTIFY}};

#define LINKS(list) .links = (list), .link_count = ARRAY_SIZE(list)

const struct process_row process_rows[PROCESSES] = {
    [PROCESS_KEYS] = {.name = "keys",
                      .role = SANDBOX_KEYS,
                      .restart = RESTART_SOON,
                      .channel = CHANNEL_BLOCKING,
                      .confines_itself = true,
                      .heartbeat = true,
                      .end_max = END_SOON,
                      .run = keys_process_run},
    [PROCESS_LOGS] = {.name = "logs",
                      .role = SANDBOX_LOGS,
                      .restart = RESTART_SOON,
                      .channel = CHANNEL_LINES,
                      .end_max = END_SOON,
                      .run = logs_process_run},
    [PROCESS_FIREWALL] = {.name = "firewall",
                          .role = SANDBOX_NONE,
                          .restart = RESTART_LATER,
                          .takes_ports = true,
                          .end_max = END_PORTS,
                          .wanted = firewall_wanted,
                          .run = firewall_process_run},
    [PROCESS_ROUTER] = {.name = "router",
                        .role = SANDBOX_ACCOUNT,
                        .restart = RESTART_LATER,
                        .takes_ports = true,
                        .end_max = END_PORTS,
                        .wanted = router_wanted,
                        .run = router_process_run},
    [PROCESS_CONNECTOR] = {.name = "connector",
                           .role = SANDBOX_CONNECTOR,
                           .restart = RESTART_SOON,
                           .channel = CHANNEL_EVENTS,
                           .confines_itself = true,
                           .heartbeat = true,
                           .takes_settings = true,
                           .end_max = END_SOON,
                           .wanted = upstreams_wanted,
                           .run = connector_process_run},
    [PROCESS_BANS] = {.name = "bans",
                      .role = SANDBOX_BANS,
                      .restart = RESTART_SOON,
                      .channel = CHANNEL_EVENTS,
                      .heartbeat = true,
                      .takes_settings = true,
                      .end_max = END_SOON,
                      .wanted = bans_wanted,
                      .open_files = bans_open_files,
                      .run = bans_process_run},
    [PROCESS_WORKER] = {.name = "worker",
                        .role = SANDBOX_WORKER,
                        .restart = RESTART_SOON,
                        .heartbeat = true,
                        .confines_itself = true,
                        LINKS(worker_links),
                        .run = worker_process_run},
    [PROCESS_PREPARE] = {.name = "prepare",
                         .role = SANDBOX_HIDDEN,
                         .restart = RESTART_NEVER,
                         .run = prepare_process_run},
    [PROCESS_OCSP] = {.name = "ocsp",
                      .role = SANDBOX_CLIENT,
                      .restart = RESTART_NEVER,
                      .run = ocsp_process_run},
    [PROCESS_ACME] = {.name = "acme",
                      .role = SANDBOX_ACME,
                      .restart = RESTART_NEVER,
                      .confines_itself = true,
                      LINKS(acme_links),
                      .run = acme_process_run},
};
