/* X-Forwarded-For grows to the right: each proxy appends whom it was asked by. So it is read from
 * the right, and the first address that is no trusted proxy is the client; what stands further left
 * anybody may have written. */
#include "serve/forwarded.h"

#include "serve/proxy_trust.h"
#include "serve/sites.h"

enum { PROXIES_MAX = 16 };

/** "192.0.2.1", "192.0.2.1:4711", "2001:db8::1", "[2001:db8::1]" or that with a port. What is none
 *  of these, as "unknown", becomes the address that nobody has (::): it is no proxy of ours. */
static struct peer_address read_word(struct span word)
{
    struct peer_address address;
    ptrdiff_t colon = span_find(word, ':'), bracket = span_find(word, ']');

    if (span_starts(word, SPAN("[")) && bracket > 0)
        word = span_of(word.ptr + 1, (size_t)bracket - 1);
    else if (colon > 0 && colon == span_find_last(word, ':'))
        word.len = (size_t)colon;
    return peer_address_parse(word, &address) < 0 ? (struct peer_address){{0}} : address;
}

/** The client that a list names. */
static void find_client(const struct proxy_trust *trust, struct span list,
                        struct peer_address *ret_client, bool *ret_trusted)
{
    for (int i = 0; i < PROXIES_MAX && *ret_trusted && list.len; i++) {
        ptrdiff_t comma = span_find_last(list, ',');
        struct span word = span_trim(span_from(list, (size_t)(comma + 1)));
        list.len = comma < 0 ? 0 : (size_t)comma;
        if (word.len == 0)
            continue;
        *ret_client = read_word(word);
        *ret_trusted = proxy_trust_allows(trust, *ret_client);
    }
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
        find_client(trust, fields->items[i - 1].value, &client, &trusted);
        question->address = client;
        question->address_learned = true;
    }
}
