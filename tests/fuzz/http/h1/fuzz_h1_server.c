/* A whole HTTP/1 connection: every exchange ends once, what goes out is well formed, and how the
 * input was split does not matter. The first two bytes choose the owner's manners and the split. */
#include <stdlib.h>

#include "../../../unit/http/h1/owner.h"
#include "http/h1/chunked.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void require(bool holds)
{
    if (!holds)
        abort();
}

static void begin(struct owner *o, uint8_t manners)
{
    owner_begin(o);
    o->limits.body_bytes = 300;
    o->limits.header_bytes = 600;
    o->limits.requests_per_connection = 30;
    o->at_end = manners & 1;
    o->body = manners & 2 ? "an answer of some length" : NULL;
    o->length = manners & 4 ? 24 : -1;
    if (!o->body)
        o->length = -1;
    o->starves = manners & 8;
    o->piece = manners & 16 ? 5 : 0;
    o->fails = (manners & 96) == 96;
    o->tunnels = (manners & 96) == 64;
    o->status = manners & 128 ? 404 : 200;
}

/** The value of a header line in the head, or an empty span. */
static struct span value_of(struct span head, const char *line)
{
    const char *at = memmem(head.ptr, head.len, line, strlen(line));
    struct span value = {0};

    if (!at)
        return value;
    struct span rest = span_from(head, (size_t)(at - head.ptr) + strlen(line));
    require(span_next(&rest, '\r', &value));
    return value;
}

/** Cuts a chunked body off. @return false when it is not complete */
static bool skip_chunks(struct span *rest)
{
    struct h1_chunked decoder = {0};
    struct span data;
    int r;

    while ((r = h1_chunked_decode(&decoder, rest, &data)) == 1)
        continue;
    require(r >= 0);
    if (r == 0)
        return false;
    require(span_starts(*rest, SPAN("\r\n")));
    *rest = span_from(*rest, 2);
    return true;
}

/** Cuts one answer off. @return false when it ends with the connection */
static bool skip_answer(struct span *rest, bool head_only)
{
    const char *end = memmem(rest->ptr, rest->len, "\r\n\r\n", 4);

    require(end && span_starts(*rest, SPAN("HTTP/1.1 ")));
    struct span head = span_of(rest->ptr, (size_t)(end - rest->ptr) + 2);
    struct span length = value_of(head, "\r\ncontent-length: ");
    bool close = value_of(head, "\r\nconnection: close").ptr;
    uint64_t bytes = 0;
    *rest = span_from(*rest, head.len + 2);
    if (span_starts(head, SPAN("HTTP/1.1 101 "))) { /* all that follows is the tunnel's */
        require(!length.ptr && !close);
        *rest = (struct span){0};
        return false;
    }
    if (value_of(head, "\r\ntransfer-encoding: chunked").ptr) {
        require(!length.ptr && !head_only);
        return skip_chunks(rest) && !close;
    }
    if (!length.ptr) {
        require(close || head_only);
        return !close;
    }
    require(span_to_uint(length, &bytes) == 0);
    if (head_only)
        bytes = 0;
    if (bytes > rest->len)
        return false;
    *rest = span_from(*rest, bytes);
    require(!close || rest->len == 0);
    return !close;
}

static void check_output(const struct owner *o)
{
    struct span rest = buffer_span(&o->sent);
    size_t answers = 0;
    bool on = true;

    while (on && rest.len) {
        if (span_starts(rest, SPAN("HTTP/1.1 100 Continue\r\n\r\n"))) {
            rest = span_from(rest, 25);
            continue;
        }
        require(answers < o->heads.len);
        on = skip_answer(&rest, o->heads.data[answers] == 'H');
        answers++;
    }
    if (!o->cut && on)
        require(answers == o->asked || (o->x && answers + 1 == o->asked)); /* one may be due */
}

static void feed(struct owner *o, struct span stream, uint8_t seed)
{
    uint32_t random = seed;

    while (stream.len) {
        random = random * 1103515245 + 12345;
        size_t part = seed == 0 ? stream.len : (random >> 16) % (seed < 128 ? 8 : 200) + 1;
        part = part < stream.len ? part : stream.len;
        owner_feed(o, span_of(stream.ptr, part));
        stream = span_from(stream, part);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3 || size > 8000)
        return 0;
    struct span stream = span_of((const char *)data + 2, size - 2);
    struct owner whole, split;

    begin(&whole, data[0]);
    feed(&whole, stream, 0);
    check_output(&whole);
    begin(&split, data[0]);
    feed(&split, stream, data[1]);
    check_output(&split);
    require(split.cut || http_wait(split.engine) != HTTP_WAIT_OUTPUT);
    /* an early answer, and 100 Continue, do depend on what has arrived */
    if (whole.at_end && !memmem(stream.ptr, stream.len, "00-", 3)) {
        require(whole.asked == split.asked && whole.cut == split.cut);
        require(span_equal(buffer_span(&whole.sent), buffer_span(&split.sent)));
    }
    owner_finish(&whole);
    owner_finish(&split);
    return 0;
}
