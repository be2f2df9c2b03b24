/* DNS answers, and the list of QUIC's versions: no crash, and nothing kept beyond the bounds. */
#include <stdlib.h>

#include "probe/dns_message.h"
#include "probe/quic_probe.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t types[] = {DNS_A, DNS_AAAA, DNS_HTTPS, DNS_CAA, DNS_CNAME};
    struct span bytes = span_of((const char *)data, size);
    uint32_t versions[QUIC_VERSIONS_MAX];
    struct dns_answer answer;

    for (size_t i = 0; i < ARRAY_SIZE(types); i++) {
        if (dns_read_answer(bytes, "a.example", types[i], &answer) < 0)
            continue;
        for (size_t k = 0; k < answer.count; k++)
            if (answer.records[k].type == DNS_CNAME &&
                strlen(answer.records[k].name) >= DNS_NAME_TEXT)
                abort();
        dns_answer_finish(&answer);
    }
    if (size >= 2 * QUIC_ID) {
        int count =
            quic_read_versions(span_from(bytes, 2 * QUIC_ID), data, data + QUIC_ID, versions);
        if (count > QUIC_VERSIONS_MAX)
            abort();
    }
    return 0;
}
