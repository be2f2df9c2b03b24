/* ufw's files of rules: no crash, and every rule that is read has all its parts. */
#include <stdlib.h>
#include <string.h>

#include "firewall/linux/ufw_rules.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ufw_rules rules = {0};
    const struct port https = {443, PORT_TCP};

    ufw_rules_parse(span_of((const char *)data, size), 4, &rules);
    for (size_t i = 0; i < rules.count; i++) {
        const struct ufw_rule *rule = &rules.items[i];
        if (strlen(rule->action) + strlen(rule->log) > size || !rule->to || !rule->from)
            abort();
        if (ufw_rule_is_for(rule, https) && !ufw_rule_covers(rule, https))
            abort();
        (void)ufw_rule_for_all(rule);
    }
    ufw_rules_finish(&rules);
    return 0;
}
