/* What an asker says to an eye: any of its two lines. What is taken keeps its bounds, names no
 * address, and is taken again as it is written. */
#include <stdint.h>
#include <stdlib.h>

#include "eye/protocol.h"
#include "os/address.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct eye_request *request)
{
    struct buffer out = buffer_make(EYE_LINE_MAX);
    struct socket_address address;
    struct eye_request again;

    if (request->port == 0 || request->seconds == 0 || request->seconds > EYE_SECONDS_MAX ||
        address_from_ip(request->name, 0, &address) == 0)
        abort();
    eye_request_write(request, &out);
    if (eye_request_read(buffer_span(&out), &again) < 0 ||
        memcmp(&again, request, sizeof again) != 0)
        abort();
    buffer_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span line = span_of((const char *)data, size);
    struct eye_greeting greeting;
    struct eye_request request;

    if (size > EYE_LINE_MAX)
        return 0;
    int hello = eye_hello_read(line, &greeting), proved = eye_greeting_read(line, &greeting);
    (void)hello;
    (void)proved;
    memset(&request, 0, sizeof request);
    if (eye_request_read(line, &request) == 0)
        check(&request);
    return 0;
}
