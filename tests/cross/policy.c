/* Makes and removes rules of the Windows Firewall, for tests/flow/test_cross.py, which reads what
 * arrived at the interface. */
#include <stdio.h>

#include "firewall/policy.h"

int main(void)
{
    const struct policy_rule in = {
        .name = "gardien 443/tcp", .port = 443, .profiles = POLICY_DOMAIN | POLICY_PRIVATE};
    const struct policy_rule out = {.name = "gardien 8443/udp out",
                                    .remote = "192.0.2.0/24",
                                    .port = 8443,
                                    .udp = true,
                                    .out = true,
                                    .profiles = POLICY_PUBLIC};
    const struct policy_rule broken = {.name = "\xff", .port = 1};

    printf("in %d\n", policy_add(&in));
    printf("out %d\n", policy_add(&out));
    printf("broken %d\n", policy_add(&broken));
    printf("remove %d\n", policy_remove(in.name));
    return 0;
}
