/* What an eye says that it measured: no crash, and what is taken is the same when it is written and
 * read again, but for what a time loses in a number of milliseconds. */
#include <stdlib.h>
#include <string.h>

#include "check/check.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* JSON has times to the microsecond. */
static bool is_near(nsec_t a, nsec_t b)
{
    return a < 0 ? b < 0 : llabs((long long)(a - b)) <= NSEC_PER_USEC;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL);
    struct check_metrics first, again;

    check_metrics_read(json, &first);
    json_decref(json);
    json = check_metrics_json(&first);
    check_metrics_read(json, &again);
    json_decref(json);
    if (!is_near(first.time, again.time) || !is_near(first.rtt, again.rtt))
        abort();
    if (first.http > 20) /* HTTP/2 and later are written without a minor version */
        first.http -= first.http % 10;
    again.time = first.time;
    again.rtt = first.rtt;
    if (memcmp(&first, &again, sizeof first) != 0)
        abort();
    return 0;
}
