/* Addresses of other proxies whose word about the client is taken. */
#include "serve/proxy_trust.h"

#include <stdlib.h>

#include "base/error.h"
#include "base/mem.h"

struct proxy_trust {
    size_t count;
    struct peer_network networks[];
};

int proxy_trust_create(const struct config_strings *networks, struct proxy_trust **ret_trust,
                       size_t *ret_bad)
{
    struct proxy_trust *trust =
        mem_zalloc(sizeof *trust + networks->count * sizeof trust->networks[0]);

    trust->count = networks->count;
    for (size_t i = 0; i < networks->count; i++)
        if (peer_network_parse(span_str(networks->items[i]), &trust->networks[i]) < 0) {
            *ret_bad = i;
            free(trust);
            return ERR_SYNTAX;
        }
    *ret_trust = trust;
    return 0;
}

void proxy_trust_destroy(struct proxy_trust *trust)
{
    free(trust);
}

bool proxy_trust_allows(const struct proxy_trust *trust, struct peer_address peer)
{
    for (size_t i = 0; trust && i < trust->count; i++)
        if (peer_network_contains(&trust->networks[i], peer))
            return true;
    return false;
}
