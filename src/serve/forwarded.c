/* X-Forwarded-For grows to the right: each proxy appends whom it was asked by. So it is read from
 * the right, and the first address that is no trusted proxy is the client; what stands further left
 * anybody may have written. */
#include "serve/forwarded.h"

#include "serve/proxy_trust.h"
#include "serve/sites.h"

enum { PROXIES_MAX = 16 };

/** The client that a list names. @return false when its last word that counts is no address */
static bool find_client(const struct proxy_trust *trust, struct span list,
                        struct peer_address *ret_client, bool *ret_trusted)
{
    for (int i = 0; i < PROXIES_MAX && *ret_trusted && list.len; i++) {
        ptrdiff_t comma = span_find_last(list, ',');
        struct span word = span_trim(span_from(list, (size_t)(comma + 1)));
        list.len = comma < 0 ? 0 : (size_t)comma;
        if (word.len == 0)
            continue;
        if (peer_address_parse(word, ret_client) < 0)
            return false;
        *ret_trusted = proxy_trust_allows(trust, *ret_client);
    }
    return true;
}

void forwarded_find(struct request *r)
{
    const struct http_fields *fields = &r->x->request.fields;
    const struct proxy_trust *trust = r->sites->forwarded_trust;
    struct protect_question *question = &r->question;

    question->address = r->client->address;
    question->host = r->x->request.authority;
    if (likely(!trust) || !proxy_trust_allows(trust, r->client->address))
        return;
    struct span host = http_value(fields, SPAN("x-forwarded-host"));
    if (host.len)
        question->host = host;
    bool trusted = true;
    for (unsigned i = fields->count; i > 0 && trusted; i--) {
        struct peer_address client = question->address;
        if (!span_equal(fields->items[i - 1].name, SPAN("x-forwarded-for")))
            continue;
        if (!find_client(trust, fields->items[i - 1].value, &client, &trusted))
            return;
        question->address = client;
        question->address_learned = true;
    }
}
