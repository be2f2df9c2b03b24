/* Chooses the witness for the firewall's verdict. */
#include "firewall/status_path.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/mem.h"
#include "os/network.h"

struct status_asker {
    const struct look *look;
    bool empty; /* the kernel has no packet rules at all */
};

/* Rules can only be in a base chain. */
static bool has_chains(const json_t *ruleset)
{
    size_t at;
    json_t *item;

    json_array_foreach((json_t *)(uintptr_t)ruleset, at, item)
    {
        if (json_object_get(json_object_get(item, "chain"), "hook"))
            return true;
    }
    return false;
}

struct status_asker *status_asker_create(const struct look *look)
{
    struct status_asker *asker = mem_new(struct status_asker);
    bool legacy = false;

    for (int v = 0; v < 2; v++)
        legacy = legacy || look->xt[LOOK_XT_LEGACY][v].filter || look->xt[LOOK_XT_LEGACY][v].nat;
    asker->look = look;
    asker->empty = look->ruleset && !has_chains(look->ruleset) && !legacy;
    return asker;
}

void status_asker_destroy(struct status_asker *asker)
{
    free(asker);
}

void status_probe_fill(struct firewall_probe *probe, const struct network_place *place)
{
    /* Addresses that are nobody's, RFC 5737 and 3849; where no route leads out, strangers are
     * neighbours: ours with the last bits changed. */
    static const unsigned char ipv4[4] = {203, 0, 113, 77};
    static const unsigned char ipv6[16] = {0x20, 0x01, 0x0d, 0xb8, [15] = 0x77};
    size_t len = probe->family == AF_INET ? 4 : 16;

    memcpy(probe->interface, place->interface, sizeof probe->interface);
    memcpy(probe->destination, place->address, len);
    if (place->routed) {
        memcpy(probe->source, probe->family == AF_INET ? ipv4 : ipv6, len);
    } else {
        memcpy(probe->source, place->address, len);
        probe->source[len - 1] ^= 3;
    }
    probe->source_port = 40443;
}

void status_ask(struct status_asker *asker, struct firewall_path *path)
{
    if (asker->empty) {
        path->verdict = FIREWALL_ACCEPTED;
        firewall_path_reason(path, "the kernel has no packet rules");
    } else if (!asker->look->ruleset) {
        firewall_path_reason(path, "the kernel shows its rules to root only");
    } else {
        firewall_path_reason(path, "there are rules, and nobody was asked what they do");
    }
}
