/* Accept-Encoding and Accept: what a client would rather have. Which codings are on offer is for
 * serve/ to say. */
#include "http/http.h"

enum { Q_UNNAMED = -1, Q_LEAST = 1 };

/* A qvalue of RFC 9110 section 12.4.2 in thousandths. @return 0..1000, or -1 */
static int parse_q(struct span text)
{
    int q, scale = 100;

    if (!text.len || (text.ptr[0] != '0' && text.ptr[0] != '1'))
        return -1;
    q = (text.ptr[0] - '0') * HTTP_Q_MAX;
    if (text.len == 1)
        return q;
    if (text.ptr[1] != '.' || text.len > 5)
        return -1;
    for (size_t i = 2; i < text.len; i++, scale /= 10) {
        if (text.ptr[i] < '0' || text.ptr[i] > '9')
            return -1;
        q += (text.ptr[i] - '0') * scale;
    }
    return q <= HTTP_Q_MAX ? q : -1;
}

/* Splits "name ; q=0.5" into the trimmed name and its weight; other parameters are passed over.
 * @return the weight, or -1 when it is malformed */
static int cut_weight(struct span member, struct span *ret_name)
{
    struct span part;
    int q = HTTP_Q_MAX;

    if (!span_next(&member, ';', &part))
        return -1;
    *ret_name = span_trim(part);
    while (span_next(&member, ';', &part)) {
        part = span_trim(part);
        if (part.len >= 2 && ascii_lower(part.ptr[0]) == 'q' && part.ptr[1] == '=')
            q = parse_q(span_from(part, 2));
        if (q < 0)
            return -1;
    }
    return q;
}

struct span http_coding_name(enum http_coding coding)
{
    static const struct span names[HTTP_CODINGS] = {
        [HTTP_CODING_IDENTITY] = SPAN("identity"),
        [HTTP_CODING_GZIP] = SPAN("gzip"),
        [HTTP_CODING_BR] = SPAN("br"),
        [HTTP_CODING_ZSTD] = SPAN("zstd"),
    };
    return names[coding];
}

static int coding_of(struct span name)
{
    for (int i = 0; i < HTTP_CODINGS; i++)
        if (span_equal_nocase(name, http_coding_name((enum http_coding)i)))
            return i;
    /* RFC 9110 section 8.4.1.3 */
    return span_equal_nocase(name, SPAN("x-gzip")) ? HTTP_CODING_GZIP : -1;
}

struct wishes {
    int q[HTTP_CODINGS]; /* or Q_UNNAMED */
    int any;             /* of "*", or Q_UNNAMED */
};

static void read_codings(struct span value, struct wishes *wishes)
{
    struct span member, name;

    while (span_next(&value, ',', &member)) {
        int q = cut_weight(member, &name);
        if (q < 0 || !name.len)
            continue;
        int coding = coding_of(name);
        if (coding >= 0)
            wishes->q[coding] = q;
        else if (span_equal(name, SPAN("*")))
            wishes->any = q;
    }
}

void http_codings_parse(const struct http_asks *asks, struct http_codings *ret_codings)
{
    struct wishes wishes = {{Q_UNNAMED, Q_UNNAMED, Q_UNNAMED, Q_UNNAMED}, Q_UNNAMED};

    *ret_codings = (struct http_codings){{[HTTP_CODING_IDENTITY] = HTTP_Q_MAX}};
    if (!http_asks_for(asks, HTTP_ASK_ACCEPT_ENCODING))
        return;
    unsigned at = asks->first[HTTP_ASK_ACCEPT_ENCODING];
    unsigned end = asks->repeated & 1u << HTTP_ASK_ACCEPT_ENCODING ? asks->fields->count : at + 1;
    for (; at < end; at++) {
        const struct http_field *field = &asks->fields->items[at];
        if (span_equal(field->name, SPAN("accept-encoding")))
            read_codings(field->value, &wishes);
    }
    for (int i = 0; i < HTTP_CODINGS; i++) {
        int q = wishes.q[i] != Q_UNNAMED    ? wishes.q[i]
                : wishes.any != Q_UNNAMED   ? wishes.any
                : i == HTTP_CODING_IDENTITY ? Q_LEAST
                                            : 0;
        ret_codings->q[i] = (uint16_t)q;
    }
}

enum http_coding http_codings_choose(const struct http_codings *codings, unsigned offered,
                                     unsigned favoured)
{
    enum http_coding best = HTTP_CODING_IDENTITY;
    unsigned best_rank = 0;

    for (unsigned i = 0; i < HTTP_CODINGS; i++) {
        if (!(offered & 1u << i) || !codings->q[i])
            continue;
        unsigned rank = codings->q[i] * 16u + (favoured & 1u << i ? 8u : 0u) + i;
        if (rank > best_rank) {
            best = (enum http_coding)i;
            best_rank = rank;
        }
    }
    return best;
}

/* How closely a media range covers a type: 0 not, 1 by * / *, 2 by the main type, 3 exactly. */
static int closeness(struct span range, struct span type)
{
    ptrdiff_t slash = span_find(type, '/');

    if (span_equal_nocase(range, type))
        return 3;
    if (span_equal(range, SPAN("*/*")))
        return 1;
    if (slash < 0 || range.len != (size_t)slash + 2 || range.ptr[range.len - 1] != '*')
        return 0;
    return span_equal_nocase(span_of(range.ptr, (size_t)slash + 1),
                             span_of(type.ptr, (size_t)slash + 1))
               ? 2
               : 0;
}

unsigned http_accept_q(const struct http_asks *asks, struct span type, bool *ret_named)
{
    int closest = 0, best = 0;

    if (ret_named)
        *ret_named = false;
    if (!http_asks_for(asks, HTTP_ASK_ACCEPT))
        return HTTP_Q_MAX;
    for (unsigned i = asks->first[HTTP_ASK_ACCEPT]; i < asks->fields->count; i++) {
        const struct http_field *field = &asks->fields->items[i];
        struct span value = field->value, member, name;
        if (!span_equal(field->name, SPAN("accept")))
            continue;
        while (span_next(&value, ',', &member)) {
            int q = cut_weight(member, &name);
            int close = q < 0 ? 0 : closeness(name, type);
            if (close > closest || (close == closest && close && q > best)) {
                closest = close;
                best = q;
            }
        }
    }
    if (ret_named)
        *ret_named = closest == 3;
    return (unsigned)best;
}
