/* Serialisation by copying alone: sizes are summed first, so that nothing is checked while writing.
 * What the fields say is the owner's. */
#include "http/h1/answer.h"

enum {
    DATE_BYTES = 29,
    OWN_BYTES = 256, /* status line and our own fields at their longest */
    LENGTH_DIGITS_MAX = 20,
    LINE_EXTRA = 4, /* ": " and CRLF */
};

static inline char *put(char *at, const void *bytes, size_t len)
{
    memcpy(at, bytes, len);
    return at + len;
}

#define PUT_LITERAL(at, literal) put(at, "" literal, sizeof(literal) - 1)

size_t h1_answer_size(const struct http_response *response)
{
    size_t size = OWN_BYTES;

    for (unsigned i = 0; i < response->fields.count; i++) {
        const struct http_field *field = &response->fields.items[i];
        size += field->name.len + field->value.len + LINE_EXTRA;
    }
    return size;
}

static char *put_status(char *at, int status)
{
    if (likely(status == 200))
        return PUT_LITERAL(at, "HTTP/1.1 200 OK\r\n");
    unsigned code = status >= 100 && status <= 999 ? (unsigned)status : 500;
    const char *reason = http_reason((int)code);
    at = PUT_LITERAL(at, "HTTP/1.1 ");
    *at++ = (char)('0' + code / 100);
    *at++ = (char)('0' + code / 10 % 10);
    *at++ = (char)('0' + code % 10);
    *at++ = ' ';
    at = put(at, reason, strlen(reason));
    return PUT_LITERAL(at, "\r\n");
}

char *h1_number_write(char *at, uint64_t number)
{
    char digits[LENGTH_DIGITS_MAX];
    unsigned from = LENGTH_DIGITS_MAX;

    do {
        digits[--from] = (char)('0' + number % 10);
        number /= 10;
    } while (number);
    return put(at, digits + from, LENGTH_DIGITS_MAX - from);
}

static char *put_framing(char *at, enum h1_body_framing framing, int64_t length)
{
    if (framing == H1_BODY_LENGTH) {
        at = PUT_LITERAL(at, "content-length: ");
        at = h1_number_write(at, (uint64_t)length);
        return PUT_LITERAL(at, "\r\n");
    }
    if (framing == H1_BODY_CHUNKED)
        return PUT_LITERAL(at, "transfer-encoding: chunked\r\n");
    return at;
}

static char *put_persistence(char *at, enum h1_persistence persistence)
{
    if (likely(persistence == H1_PERSIST))
        return at;
    if (persistence == H1_PERSIST_SAID)
        return PUT_LITERAL(at, "connection: keep-alive\r\n");
    if (persistence == H1_PERSIST_UPGRADE)
        return PUT_LITERAL(at, "connection: upgrade\r\n");
    return PUT_LITERAL(at, "connection: close\r\n");
}

/** Fields that would contradict what the engine says itself. */
static inline bool is_ours(struct span name)
{
    switch (name.len) {
    case sizeof("date") - 1:
        return memcmp(name.ptr, "date", name.len) == 0;
    case sizeof("connection") - 1:
        return memcmp(name.ptr, "connection", name.len) == 0;
    case sizeof("content-length") - 1:
        return memcmp(name.ptr, "content-length", name.len) == 0;
    case sizeof("transfer-encoding") - 1:
        return memcmp(name.ptr, "transfer-encoding", name.len) == 0;
    default:
        return false;
    }
}

static inline char *put_field(char *at, const struct http_field *field)
{
    at = put(at, field->name.ptr, field->name.len);
    at = put(at, ": ", 2);
    if (field->value.len)
        at = put(at, field->value.ptr, field->value.len);
    return put(at, "\r\n", 2);
}

char *h1_field_write(char *at, const struct http_field *field)
{
    return put_field(at, field);
}

/** The owner's fields and the empty line. */
static char *put_fields(char *at, const struct http_fields *fields)
{
    for (unsigned i = 0; i < fields->count; i++)
        if (likely(!is_ours(fields->items[i].name)))
            at = put_field(at, &fields->items[i]);
    return put(at, "\r\n", 2);
}

size_t h1_answer_write(char *out, const struct http_response *response, const char *date,
                       enum h1_body_framing framing, enum h1_persistence persistence)
{
    char *at = put_status(out, response->status);

    at = PUT_LITERAL(at, "date: ");
    at = put(at, date, DATE_BYTES);
    at = PUT_LITERAL(at, "\r\n");
    at = put_persistence(at, persistence);
    at = put_framing(at, framing, response->content_length);
    return (size_t)(put_fields(at, &response->fields) - out);
}

size_t h1_interim_write(char *out, const struct http_response *response)
{
    char *at = put_status(out, response->status);

    return (size_t)(put_fields(at, &response->fields) - out);
}

size_t h1_trailers_size(const struct http_fields *trailers)
{
    size_t size = 2;

    for (unsigned i = 0; trailers && i < trailers->count; i++)
        size += trailers->items[i].name.len + trailers->items[i].value.len + LINE_EXTRA;
    return size;
}

size_t h1_trailers_write(char *out, const struct http_fields *trailers)
{
    char *at = out;

    for (unsigned i = 0; trailers && i < trailers->count; i++)
        at = h1_field_write(at, &trailers->items[i]);
    at = put(at, "\r\n", 2);
    return (size_t)(at - out);
}
