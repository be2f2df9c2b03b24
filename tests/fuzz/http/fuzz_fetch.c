/* Answers to a client's GET: the first byte says which HTTP and in what pieces; the result of
 * HTTP/1.1 does not depend on the pieces. */
#include <stdlib.h>

#include "http/http.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int feed(int version, struct span bytes, size_t step, int *ret_status)
{
    struct http_fetch_request request = {.version = version,
                                         .scheme = "https",
                                         .authority = "a.example",
                                         .path = "/",
                                         .user_agent = "fuzz"};
    struct http_fetch *fetch;
    char out[HTTP_FETCH_OUT];
    int r = 0;

    if (http_fetch_create(&request, &fetch) < 0)
        abort();
    while (r == 0 && bytes.len) {
        if (http_fetch_output(fetch, out, sizeof out) < 0)
            break;
        r = http_fetch_input(fetch, span_of(bytes.ptr, step < bytes.len ? step : bytes.len));
        bytes = span_from(bytes, step);
    }
    *ret_status = r == 1 ? http_fetch_status(fetch) : 0;
    if (r == 1 && (*ret_status < 200 || http_fetch_value(fetch, SPAN("location")).len > 100000))
        abort();
    http_fetch_destroy(fetch);
    return r;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int status, other;

    if (size < 1)
        return 0;
    struct span bytes = span_of((const char *)data + 1, size - 1);
    size_t step = 1 + (data[0] >> 1);
    if (data[0] & 1) {
        (void)feed(HTTP_2, bytes, step, &status);
        return 0;
    }
    int r = feed(HTTP_1_1, bytes, step, &status);
    if (bytes.len < HTTP_FETCH_HEAD_MAX &&
        (feed(HTTP_1_1, bytes, SIZE_MAX / 2, &other) != r || other != status))
        abort();
    return 0;
}
