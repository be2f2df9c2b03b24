/* The four forms, told apart by their first bytes: 64 spaces; a curve type behind two randoms; a
 * ClientHello. */
#include "tls/keys_form.h"

enum {
    PADDING = 64, /* spaces, RFC 8446 section 4.4.3 */
    RANDOMS = 64, /* of client and server, 32 bytes each */
    CURVE_TYPE_NAMED = 3,
    POINT_UNCOMPRESSED = 4,
    MESSAGE_HEADER = 4,
    CLIENT_HELLO = 1,
    SERVER_HELLO = 2,
    CERTIFICATE_REQUEST = 13,
    CLIENT_KEY_EXCHANGE = 16,
};

static bool is_padding(struct span bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] != ' ')
            return false;
    return true;
}

/* Padding, the context string, a zero byte, the transcript's hash. */
static bool is_tls13(struct span content, struct span context)
{
    struct span rest = span_from(content, PADDING);

    if (content.len < PADDING || !is_padding(span_of(content.ptr, PADDING)) ||
        !span_starts(rest, context))
        return false;
    rest = span_from(rest, context.len);
    return rest.len > 0 && rest.ptr[0] == 0 && (rest.len == 1 + 32 || rest.len == 1 + 48);
}

/* Curves and the length of a public key on them, RFC 8422 section 5.1.1. */
static const struct {
    unsigned group;
    unsigned length;
    bool point; /* of SEC 1, uncompressed */
} curves[] = {
    {23, 65, true}, {24, 97, true}, {25, 133, true}, {29, 32, false}, {30, 56, false},
};

static bool is_key_exchange(struct span content)
{
    struct span params = span_from(content, RANDOMS);
    const unsigned char *at = (const unsigned char *)params.ptr;

    if (params.len < 5 || at[0] != CURVE_TYPE_NAMED)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(curves); i++)
        if ((unsigned)(at[1] << 8 | at[2]) == curves[i].group)
            return at[3] == curves[i].length && params.len == 4u + curves[i].length &&
                   (!curves[i].point || at[4] == POINT_UNCOMPRESSED);
    return false;
}

/* ClientHello, ServerHello, …, CertificateRequest, …, ClientKeyExchange; each of the length that
 * its header says, and nothing behind the last. */
static bool is_transcript(struct span content)
{
    unsigned count = 0, last = 0;
    bool asked = false;

    while (content.len >= MESSAGE_HEADER) {
        const unsigned char *at = (const unsigned char *)content.ptr;
        size_t length = (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
        last = at[0];
        if ((count == 0 && last != CLIENT_HELLO) || (count == 1 && last != SERVER_HELLO) ||
            length > content.len - MESSAGE_HEADER)
            return false;
        asked |= last == CERTIFICATE_REQUEST;
        count++;
        content = span_from(content, MESSAGE_HEADER + length);
    }
    return content.len == 0 && asked && last == CLIENT_KEY_EXCHANGE;
}

enum keys_form keys_form_of(struct span content)
{
    if (is_tls13(content, SPAN("TLS 1.3, server CertificateVerify")))
        return KEYS_FORM_TLS13_SERVER;
    if (is_tls13(content, SPAN("TLS 1.3, client CertificateVerify")))
        return KEYS_FORM_TLS13_CLIENT;
    if (is_key_exchange(content))
        return KEYS_FORM_TLS12_SERVER;
    return is_transcript(content) ? KEYS_FORM_TLS12_CLIENT : KEYS_FORM_NONE;
}
