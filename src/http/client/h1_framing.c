/* What an answer's head means for its connection: how its body is framed, and whether the
 * connection may be used again (RFC 9112 sections 6.3 and 9). */
#include "base/error.h"
#include "http/client/h1.h"

struct noted {
    struct span content_length;
    struct span transfer_encoding;
    unsigned content_lengths;
    unsigned transfer_encodings;
    bool close;
    bool keep_alive;
};

static void note_connection(struct noted *noted, struct span value)
{
    struct span token;

    while (span_next(&value, ',', &token)) {
        token = span_trim(token);
        noted->close |= span_equal_nocase(token, SPAN("close"));
        noted->keep_alive |= span_equal_nocase(token, SPAN("keep-alive"));
    }
}

static void note(struct noted *noted, const struct http_field *field)
{
    if (span_equal(field->name, SPAN("connection"))) {
        note_connection(noted, field->value);
    } else if (span_equal(field->name, SPAN("content-length"))) {
        noted->content_length = field->value;
        noted->content_lengths++;
    } else if (span_equal(field->name, SPAN("transfer-encoding"))) {
        noted->transfer_encoding = field->value;
        noted->transfer_encodings++;
    }
}

static const char *read_codings(const struct noted *noted, const struct http_answer *answer)
{
    if (answer->version == HTTP_1_0)
        return "transfer-encoding in HTTP/1.0";
    if (noted->content_lengths)
        return "content-length with transfer-encoding";
    if (noted->transfer_encodings > 1)
        return "several transfer-encoding fields";
    if (!span_equal_nocase(noted->transfer_encoding, SPAN("chunked")))
        return "unknown transfer-coding";
    return NULL;
}

static const char *read_length(const struct noted *noted, struct http_answer *answer)
{
    uint64_t length;

    if (noted->content_lengths == 0)
        return NULL;
    if (noted->content_lengths > 1)
        return "several content-length fields";
    if (span_to_uint(noted->content_length, &length) < 0)
        return "malformed content-length";
    answer->content_length = (int64_t)length;
    return NULL;
}

const char *h1_answer_read(struct http_answer *answer, bool head,
                           struct h1_answer_framing *ret_framing)
{
    bool bodyless = head || answer->status == 204 || answer->status == 304;
    struct h1_answer_framing framing = {0};
    struct noted noted = {0};
    const char *wrong = NULL;

    for (unsigned i = 0; i < answer->fields.count; i++)
        note(&noted, &answer->fields.items[i]);
    answer->content_length = -1;
    if (noted.transfer_encodings)
        wrong = read_codings(&noted, answer);
    else
        wrong = read_length(&noted, answer);
    if (wrong)
        return wrong;
    answer->has_body = !bodyless && (noted.transfer_encodings || answer->content_length != 0);
    framing.chunked = answer->has_body && noted.transfer_encodings;
    framing.until_eof = answer->has_body && !framing.chunked && answer->content_length < 0;
    framing.persistent =
        !noted.close && !framing.until_eof && (answer->version == HTTP_1_1 || noted.keep_alive);
    *ret_framing = framing;
    return NULL;
}
