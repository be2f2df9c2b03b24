/* The flows that a wish is about, with what DNAT makes of them. */
#include <string.h>

#include "firewall/flows.h"

static void translate_xt(const char *nat, const char *family, struct flow *flow)
{
    struct rules rules;

    rules_of_xt(nat, family, "nat", false, &rules);
    rules_translate(&rules, flow);
    rules_finish(&rules);
}

bool flow_make(const struct look *look, const struct rules *nft, const struct wish *wish,
               struct port port, struct flow *flow)
{
    int version = flow->family == 4 ? 0 : 1;

    if (wish->from.family && wish->from.family != flow->family)
        return false;
    *flow = (struct flow){.family = flow->family,
                          .port = port,
                          .asked = port.number,
                          .from = &wish->from,
                          .interface = wish->interface};
    rules_translate(nft, flow);
    for (int flavour = 0; flavour < LOOK_XT_FLAVOURS && !flow->translated; flavour++)
        translate_xt(look->xt[flavour][version].nat, version ? "ip6" : "ip", flow);
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
