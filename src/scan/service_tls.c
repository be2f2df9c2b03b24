/* TLS with open ports, by the room tls/. */
#include "scan/service_tls.h"

#include <stdlib.h>

#include "base/mem.h"
#include "cert/cert.h"
#include "tls/tls.h"

enum { NAMES_SHOWN = 4 };

static const nsec_t DAY = 24 * 3600 * NSEC_PER_SEC;

_Static_assert(sizeof((struct scan_tls_room){0}.out) >= TLS_OUT_MIN, "room for a flight");

int scan_tls_library_create(struct tls_client_library **ret_library)
{
    return tls_client_library_create(ret_library);
}

void scan_tls_library_destroy(struct tls_client_library *library)
{
    tls_client_library_destroy(library);
}

int scan_tls_create(struct tls_client_library *library, const char *server_name,
                    struct tls_client **ret_tls)
{
    const struct tls_client_options options = {.server_name = server_name};

    return tls_client_create(library, &options, ret_tls);
}

void scan_tls_destroy(struct tls_client *tls)
{
    tls_client_destroy(tls);
}

int scan_tls_go_on(struct tls_client *tls, struct buffer *heard, struct scan_tls_room *room,
                   struct span *ret_out)
{
    struct tls_io io = {.in = buffer_span(heard), .out = room->out, .out_cap = sizeof room->out};
    size_t before = io.in.len;
    int r = tls_client_handshake(tls, &io);

    buffer_consume(heard, before - io.in.len);
    *ret_out = span_of(io.out, io.out_len);
    return r;
}

static char *join_names(const struct cert_info *info)
{
    char *text = mem_string(span_str(info->name_count ? info->names[0] : info->subject));

    for (size_t i = 1; i < info->name_count && i <= NAMES_SHOWN; i++) {
        char *longer = i == NAMES_SHOWN
                           ? mem_format("%s and %zu more", text, info->name_count - NAMES_SHOWN)
                           : mem_format("%s, %s", text, info->names[i]);
        free(text);
        text = longer;
    }
    return text;
}

void scan_tls_describe(const struct tls_client *tls, struct scan_service *service)
{
    struct tls_client_facts facts;
    struct cert_chain chain;

    tls_client_describe(tls, &facts);
    service->tls = true;
    service->version = mem_string(span_str(facts.version));
    service->alpn = facts.alpn[0] ? mem_string(span_str(facts.alpn)) : NULL;
    if (cert_chain_parse(buffer_span(&facts.chain), &chain) >= 0) {
        const struct cert_info *leaf = &chain.items[0];
        service->names = join_names(leaf);
        service->issuer = mem_string(span_str(leaf->issuer));
        service->days_left = (long)((leaf->not_after - nsec_realtime()) / DAY);
        cert_chain_finish(&chain);
    }
    tls_client_facts_finish(&facts);
}
