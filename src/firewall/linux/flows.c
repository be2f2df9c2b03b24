/* The flows that a request is about, with what DNAT makes of them. */
#include <string.h>

#include "firewall/linux/flows.h"

static void translate_xt(const char *nat, const char *family, struct flow *flow)
{
    struct rules rules;

    rules_of_xt(nat, family, "nat", false, &rules);
    rules_translate(&rules, flow);
    rules_finish(&rules);
}

bool flow_make(const struct firewall_facts *facts, const struct rules *nft,
               const struct firewall_request *request, struct port port, struct flow *flow)
{
    int version = flow->family == 4 ? 0 : 1;

    if (request->from.family && request->from.family != flow->family)
        return false;
    *flow = (struct flow){.family = flow->family,
                          .port = port,
                          .asked = port.number,
                          .from = &request->from,
                          .interface = request->interface};
    rules_translate(nft, flow);
    for (int flavour = 0; flavour < IPTABLES_FLAVOURS && !flow->translated; flavour++)
        translate_xt(facts->xt[flavour][version].nat, version ? "ip6" : "ip", flow);
    return true;
}

struct flow flow_before_nat(const struct flow *flow)
{
    struct flow before = *flow;

    before.port.number = flow->asked;
    before.forwarded = before.translated = false;
    before.destination[0] = '\0';
    return before;
}
