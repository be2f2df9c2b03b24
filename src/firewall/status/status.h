/* The whole picture of ports: who listens, what the firewall says to a stranger over IPv4 and IPv6,
 * who is in charge of it, and what is odd about that. It changes nothing. */
#pragma once

#include <jansson.h>

#include "firewall/model/path.h"
#include "firewall/plan/cloud.h"
#include "firewall/plan/manager.h"
#include "os/listeners.h"
#include "os/ports.h"
#include "report/finding.h"

struct printer;

enum { STATUS_IPV4, STATUS_IPV6, STATUS_FAMILIES };
enum { STATUS_MANAGERS = 16 };

struct port_status {
    struct port port;
    /** What becomes of a stranger's first packet; without addresses in that family it is empty. */
    struct firewall_path paths[STATUS_FAMILIES];
    bool listens; /**< somebody here, in any network namespace */
    bool outside; /**< and on an address that is not a loopback one, in our own namespace */
};

struct manager_state {
    const struct manager *manager;
    struct detection state;
};

struct firewall_status {
    struct port_status *ports;
    size_t count;
    struct listeners listeners;
    bool has_family[STATUS_FAMILIES];   /**< an address that others can reach us at */
    char interface[FIREWALL_INTERFACE]; /**< where strangers come in; "" where no route leads out */
    struct manager_state managers[STATUS_MANAGERS];
    size_t manager_count; /**< of those that are not absent */
    bool named;           /**< the ports are those that were asked for by name */
    bool seen;            /**< the kernel's rules could be read */
    bool filtered;        /**< there are rules for what comes in */
    const char *system_default;
    struct cloud cloud;
    struct findings findings;
};

struct status_request {
    struct ports ports; /**< shown in any case */
    struct ports maybe; /**< shown where somebody listens, or rules name them */
    bool named;         /**< `ports` were given by name */
    bool connect;       /**< connect to who listens, to see whether it takes connections */
    bool here;          /**< leave out other network namespaces */
    const char *root;   /**< in front of /etc and /sys, for tests; "" for this machine */
};

void status_take(const struct status_request *request, struct firewall_status *ret_status);
void status_finish(struct firewall_status *status);

/** "open", "closed", "forwarded", "unknown"; "-" where the machine has no address in that family.
 */
const char *status_word(const struct firewall_status *status, const struct port_status *port,
                        int family);
/** Is there a port of which what the firewall says could not be told? */
bool status_unknown(const struct firewall_status *status);
/** Is its queue full, so that nobody more gets in? */
bool status_queue_full(const struct listener *listener);
/** Adds the findings: called by status_take(). */
void status_judge(struct firewall_status *status);
/** What this distribution's firewall does before anybody sets it up, as a sentence. */
const char *status_system_default(const char *root);

void status_print(const struct printer *printer, const struct firewall_status *status);
/** {ports, firewall, system_default, cloud?, findings}; a new reference. */
json_t *status_json(const struct firewall_status *status);
