/* What protection reads of a request beside the web application firewall: its path, Sec-Fetch-Site,
 * Origin and Host, cookies both ways, networks and rates as text. The parts are lines. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "protect/protect.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span rest = span_of((const char *)data, size), parts[6] = {{NULL, 0}};
    struct peer_network network, again;
    char text[PEER_NETWORK_TEXT], rate[64];
    uint32_t count;
    nsec_t window;

    for (size_t i = 0; i < ARRAY_SIZE(parts) && span_next(&rest, '\n', &parts[i]); i++)
        ;
    if (parts[0].len && parts[0].ptr[0] == '/')
        (void)secrets_judge(parts[0]);
    struct http_field fields[] = {{SPAN("sec-fetch-site"), parts[1]}, {SPAN("origin"), parts[2]}};
    const struct http_request request = {.method = HTTP_POST, .fields = {fields, 2, 2}};
    (void)cross_origin_judge(&request, parts[3]);
    if (cookie_lacks(parts[4], true) > (COOKIE_SECURE | COOKIE_HTTP_ONLY | COOKIE_SAME_SITE))
        abort();
    if (peer_network_parse(parts[5], &network) >= 0) {
        network.address = peer_network_mask(network.address, network.bits);
        peer_network_text(&network, text);
        if (peer_network_parse(span_str(text), &again) < 0 || again.bits != network.bits)
            abort();
    }
    size_t len = parts[1].len < sizeof rate - 1 ? parts[1].len : sizeof rate - 1;
    if (len)
        memcpy(rate, parts[1].ptr, len);
    rate[len] = '\0';
    if (rate_parse(rate, &count, &window) >= 0 && (count == 0 || window <= 0))
        abort();
    return 0;
}
