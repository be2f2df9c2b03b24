/* Lists of ports. What is taken is ascending, without doubles and without port 0. */
#include <stdint.h>
#include <stdlib.h>

#include "base/mem.h"
#include "scan/ports.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const uint16_t *ports, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (ports[i] == 0 || (i && ports[i] <= ports[i - 1]))
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    scoped(mem_release) char *text = mem_string(span_of((const char *)data, size));
    struct scan_ports ports;
    struct diags diags = {0};

    if (scan_ports_parse(text, &diags, &ports) >= 0) {
        check(ports.tcp, ports.tcp_count);
        check(ports.udp, ports.udp_count);
        scan_ports_finish(&ports);
    } else if (diags.errors == 0) {
        abort();
    }
    diags_finish(&diags);
    return 0;
}
