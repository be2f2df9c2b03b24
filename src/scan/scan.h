/* Many ports at once: which are open, closed or filtered, and how sure that is. */
#pragma once

#include <jansson.h>
#include <signal.h>
#include <stdio.h>

#include "base/nsec.h"
#include "scan/answers.h"
#include "scan/ports.h"
#include "scan/service.h"
#include "scan/targets.h"

struct printer;
struct table;

/** Whether this program can send SYNs of its own, with the rights for it. */
extern const bool scan_sends_syns;

struct scan_request {
    const struct scan_targets *targets;
    const struct scan_ports *ports;
    double rate;   /**< packets a second at most; 0: as fast as no answer is lost */
    bool connect;  /**< connect to TCP ports even where raw sockets are allowed */
    bool services; /**< ask open TCP ports what serves there */
    const volatile sig_atomic_t
        *stop; /**< becomes != 0 when the user has had enough; may be NULL */
};

/** All that is known of one address. */
struct scan_host {
    struct scan_address address;
    const char *name; /**< the name that was asked for, or NULL */
    const struct scan_ports *ports;
    const struct scan_answer *tcp, *udp; /**< an answer a port */
    const struct scan_service *services; /**< of open TCP ports, ascending by port */
    size_t service_count;
    const struct scan_boxes *boxes;
    bool answered; /**< something came from the host itself */
};

struct scan_summary {
    uint64_t hosts, hosts_answered;
    uint64_t open, closed, filtered, silent, silent_udp; /**< ports of all hosts; silent counts as
                                                            filtered too, silent_udp as silent */
    uint64_t sent;
    unsigned rounds;                  /**< how often silent TCP ports were asked */
    uint64_t answered_late;           /**< ports that answered only a repeated question */
    uint64_t canaries, canaries_lost; /**< questions to ports that had answered before */
    bool raw;                         /**< by SYNs of our own; else by connecting */
    bool stopped;                     /**< by the user */
    bool cannot_send;                 /**< this machine's own firewall forbade some of it */
    nsec_t took;
};

/** Where results go while a scan runs. */
struct scan_listener {
    void (*on_host)(void *context, const struct scan_host *host);
    /** Some ten times a second. @param done  0..1; may be NULL */
    void (*on_progress)(void *context, double done);
    void *context;
};

/** Scans; blocks until done or stopped. Memory is bounded, whatever the number of targets.
 *  @return 0, or -errno */
must_check int scan_run(const struct scan_request *request, const struct scan_listener *listener,
                        struct scan_summary *ret_summary);
/** How likely a silent port is one whose answers were all lost, 0..1; < 0: nothing to tell it by.
 */
double scan_doubt(const struct scan_summary *summary);

/* ---- formats ---- */

/** A heading, then a table of ports; states that many ports share are told in one line. */
void scan_print_host(const struct printer *printer, const struct scan_host *host);
/** What was asked, how long it took, how sure it is. */
void scan_print_summary(const struct printer *printer, const struct scan_summary *summary);
json_t *scan_host_json(const struct scan_host *host);
json_t *scan_summary_json(const struct scan_summary *summary);

/** nmap's XML, written as results come. */
struct scan_xml {
    FILE *out;
    const char *command_line;
    nsec_t started; /**< wall clock */
};

void scan_xml_begin(const struct scan_xml *xml, const struct scan_request *request);
void scan_xml_host(const struct scan_xml *xml, const struct scan_host *host);
void scan_xml_end(const struct scan_xml *xml, const struct scan_summary *summary);
