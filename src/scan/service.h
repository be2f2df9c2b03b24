/* What serves behind open TCP ports: TLS with which certificate, or the first line that it says. */
#pragma once

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>

#include "scan/answers.h"

struct scan_service {
    size_t host; /**< its number among the hosts */
    uint16_t port;
    bool tls;
    char *version;  /**< "TLSv1.3"; NULL without TLS */
    char *alpn;     /**< "h2"; NULL */
    char *names;    /**< those in the certificate, "example.com, www.example.com"; NULL */
    char *issuer;   /**< NULL */
    long days_left; /**< of the certificate; negative: it has expired */
    char *banner;   /**< the first line that it said, and its Server field; escaped by who shows it;
                         NULL */
};

struct scan_services {
    struct scan_service *items;
    size_t count;
};

/** Adds an open port to ask. */
void scan_services_add(struct scan_services *services, size_t host, uint16_t port);
/** Asks all of them, many at once, each for some seconds at most.
 *  @param names  a name a host, sent as SNI; NULL for one without
 *  @return 0, or -errno, ERR_TLS */
must_check int scan_services_ask(struct scan_services *services, const struct scan_address *hosts,
                                 const char *const *names, const volatile sig_atomic_t *stop);
void scan_services_finish(struct scan_services *services);
