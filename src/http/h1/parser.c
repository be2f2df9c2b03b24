/* The strict parser: each line is scanned once it may be complete, and a line that was cut short by
 * the end of the input is scanned again when more is there. Never looks past the limits. */
#include "http/h1/parser.h"

#include "base/error.h"
#include "http/h1/scan.h"

enum {
    METHOD_MAX = 32,
    FIELDS_FIRST = 24,  /* room for what browsers send */
    WINDOW_FIRST = 256, /* bytes marked at first: small, as pipelined requests follow */
    WINDOW_LATER = H1_SCAN_BLOCK * H1_SCAN_BLOCKS,
    LOWER_STEP = 16,
};

/** The input, with marks for the part of it that is being looked at. */
struct window {
    const char *bytes;
    size_t len;
    size_t from; /* the marks' bit 0 */
    size_t to;   /* not marked from here on */
    struct h1_marks marks;
};

static void slide(struct window *w, size_t at)
{
    size_t max = w->to ? WINDOW_LATER : WINDOW_FIRST;
    size_t left = w->len - at;

    w->from = at;
    w->to = at + (left < max ? left : max);
    h1_scan(w->bytes + at, w->to - at, &w->marks);
}

/** The first marked byte at or after `at`; w->len if there is none. */
static inline size_t next_mark(struct window *w, const uint64_t *marks, size_t at)
{
    while (likely(at < w->len)) {
        if (unlikely(at >= w->to || at < w->from))
            slide(w, at);
        size_t bit = at - w->from;
        uint64_t word = marks[bit / H1_SCAN_BLOCK] >> (bit % H1_SCAN_BLOCK);
        if (likely(word))
            return at + (size_t)__builtin_ctzll(word); /* at most w->len */
        at = w->from + (bit / H1_SCAN_BLOCK + 1) * H1_SCAN_BLOCK;
    }
    return w->len;
}

void h1_parser_head(struct h1_parser *parser, struct http_exchange *x)
{
    *parser = (struct h1_parser){
        .request = &x->request,
        .fields = &x->request.fields,
        .arena = &x->arena,
        .stage = H1_START,
    };
}

void h1_parser_trailers(struct h1_parser *parser, struct http_exchange *x)
{
    *parser = (struct h1_parser){
        .fields = x ? &x->request.trailers : NULL,
        .arena = x ? &x->arena : NULL,
        .stage = H1_FIELDS,
    };
}

void h1_parser_answer(struct h1_parser *parser, struct http_fields *fields, struct arena *arena)
{
    fields->count = 0;
    *parser = (struct h1_parser){.fields = fields, .arena = arena, .stage = H1_STATUS_LINE};
}

void h1_parser_answer_trailers(struct h1_parser *parser, struct http_fields *fields,
                               struct arena *arena)
{
    *parser = (struct h1_parser){.fields = fields, .arena = arena, .stage = H1_FIELDS};
}

static int refuse(struct h1_parser *p, int status, const char *reason)
{
    p->refusal = status;
    p->reason = reason;
    return ERR_SYNTAX;
}

static inline struct span moved(struct span s, const char *from, const char *to)
{
    return s.ptr ? span_of(to + (s.ptr - from), s.len) : s;
}

/** Points every span at the same place of a copy. */
static void move(struct h1_parser *p, const char *to)
{
    const char *from = p->base;

    p->base = to;
    if (p->request) {
        p->request->method_text = moved(p->request->method_text, from, to);
        p->request->target = moved(p->request->target, from, to);
    }
    for (unsigned i = 0; p->fields && i < p->fields->count; i++) {
        struct http_field *field = &p->fields->items[i];
        field->name.ptr = to + (field->name.ptr - from);
        field->value.ptr = to + (field->value.ptr - from);
    }
}

/* Each step below returns 1 when done, 0 when more input is needed, or refuse(). */

static int skip_empty_line(struct h1_parser *p, const struct window *w)
{
    if (w->len == 0)
        return 0;
    if (w->bytes[0] == '\r') { /* one is forgiven: RFC 9112 section 2.2 */
        if (w->len < 2)
            return 0;
        if (w->bytes[1] != '\n')
            return refuse(p, 400, "CR without LF");
        p->at = 2;
    }
    p->stage = H1_REQUEST_LINE;
    return 1;
}

static int method(struct h1_parser *p, struct window *w, size_t *at)
{
    size_t end = next_mark(w, w->marks.name, *at);

    if (end - *at > METHOD_MAX)
        return refuse(p, 400, "method too long");
    if (end == w->len)
        return 0;
    if (end == *at || w->bytes[end] != ' ')
        return refuse(p, 400, "invalid method");
    p->request->method_text = span_of(w->bytes + *at, end - *at);
    *at = end + 1;
    return 1;
}

static int target(struct h1_parser *p, struct window *w, size_t *at, uint32_t max)
{
    size_t end = next_mark(w, w->marks.target, *at);

    bool too_long = end - *at > max;
    if (end == w->len && !too_long)
        return 0;
    p->request->target = span_of(w->bytes + *at, too_long ? max : end - *at);
    if (too_long)
        return refuse(p, 414, "target too long");
    if (end == *at || w->bytes[end] != ' ')
        return refuse(p, 400, "invalid byte in target");
    *at = end + 1;
    return 1;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

/** "HTTP/1.1" CR LF, looked at only as far as it is there. */
static int version(struct h1_parser *p, struct span bytes, size_t at)
{
    static const char shape[] = "HTTP/0.0\r\n";
    const size_t length = sizeof shape - 1;
    struct span rest = span_from(bytes, at);

    for (size_t i = 0; i < length; i++) {
        if (i == rest.len)
            return 0;
        bool fits = shape[i] == '0' ? is_digit(rest.ptr[i]) : rest.ptr[i] == shape[i];
        if (!fits)
            return refuse(p, 400, i < 8 ? "invalid version" : "request line does not end in CRLF");
    }
    if (rest.ptr[5] > '1')
        return refuse(p, 505, "unsupported version");
    if (rest.ptr[5] == '0')
        return refuse(p, 400, "invalid version");
    /* HTTP/1.2 and later minor versions are read as the highest that we know (RFC 9110 section
     * 2.5). */
    p->request->version = rest.ptr[7] == '0' ? HTTP_1_0 : HTTP_1_1;
    p->at = (uint32_t)(at + length);
    p->stage = H1_FIELDS;
    return 1;
}

static int request_line(struct h1_parser *p, struct window *w, const struct http_limits *limits)
{
    size_t at = p->at;

    int r = method(p, w, &at);
    if (r <= 0)
        return r;
    r = target(p, w, &at, limits->uri_bytes);
    if (r <= 0)
        return r;
    return version(p, span_of(w->bytes, w->len), at);
}

/** "HTTP/1.1 200" as far as it is there. */
static int status_code(struct h1_parser *p, struct span rest)
{
    static const char shape[] = "HTTP/1.0 000";

    for (size_t i = 0; i < sizeof shape - 1; i++) {
        if (i == rest.len)
            return 0;
        bool fits = shape[i] == '0' ? is_digit(rest.ptr[i]) : rest.ptr[i] == shape[i];
        if (!fits)
            return refuse(p, 400, "no HTTP/1 status line");
    }
    p->version = rest.ptr[7] == '0' ? HTTP_1_0 : HTTP_1_1;
    p->status = (rest.ptr[9] - '0') * 100 + (rest.ptr[10] - '0') * 10 + (rest.ptr[11] - '0');
    if (rest.ptr[7] > '1' || p->status < 100 || p->status > 599)
        return refuse(p, 400, "invalid version or status");
    return 1;
}

/** RFC 9112 section 4; the space before an absent reason phrase may lack. */
static int status_line(struct h1_parser *p, struct window *w)
{
    size_t reason = p->at + sizeof("HTTP/1.0 000") - 1;

    int r = status_code(p, span_of(w->bytes + p->at, w->len - p->at));
    if (r <= 0)
        return r;
    size_t end = next_mark(w, w->marks.value, reason);
    if (end == w->len)
        return 0;
    if (w->bytes[end] != '\r' || (end > reason && w->bytes[reason] != ' '))
        return refuse(p, 400, "malformed status line");
    if (end + 1 == w->len)
        return 0;
    if (w->bytes[end + 1] != '\n')
        return refuse(p, 400, "CR without LF");
    p->at = (uint32_t)end + 2;
    p->stage = H1_FIELDS;
    return 1;
}

/** Why a name may not end with this byte. */
static const char *name_fault(char c, bool empty)
{
    if (c == ' ' || c == '\t')
        return "space in or after a field name";
    if (c == '\r' || c == '\n')
        return "field without colon";
    return empty ? "empty field name" : "invalid byte in field name";
}

static const char *value_fault(char c)
{
    return c == '\n'   ? "LF without CR"
           : c == '\0' ? "NUL in field value"
                       : "control in field value";
}

static int store(struct h1_parser *p, struct span name, struct span value)
{
    p->count++;
    if (!p->fields)
        return 0;
    struct http_fields *fields = p->fields;
    if (likely(fields->count < fields->room)) {
        fields->items[fields->count++] = (struct http_field){name, value};
        return 0;
    }
    if (fields->room == 0) {
        fields->items = arena_alloc(p->arena, FIELDS_FIRST * sizeof(struct http_field));
        fields->room = fields->items ? FIELDS_FIRST : 0;
    }
    if (http_add(p->arena, fields, name, value) < 0)
        return refuse(p, 431, "header fields use too much memory");
    return 0;
}

/** One field line. @return its end; 0 when more input is needed; refuse() */
static ssize_t field(struct h1_parser *p, struct window *w, size_t at)
{
    const char *bytes = w->bytes;
    size_t colon = next_mark(w, w->marks.name, at);
    /* From `at`, not from behind the colon: what may not stand in a value may not in a name either,
     * so the end is the same, and the processor need not wait for the colon to find it. */
    size_t end = next_mark(w, w->marks.value, at);

    if (unlikely(colon == w->len))
        return 0;
    if (unlikely(bytes[colon] != ':' || colon == at))
        return refuse(p, 400, name_fault(bytes[colon], colon == at));
    size_t from = colon + 1;
    while (from < w->len && (bytes[from] == ' ' || bytes[from] == '\t'))
        from++;
    if (unlikely(end == w->len))
        return 0;
    if (unlikely(bytes[end] != '\r'))
        return refuse(p, 400, value_fault(bytes[end]));
    if (unlikely(end + 1 == w->len))
        return 0;
    if (unlikely(bytes[end + 1] != '\n'))
        return refuse(p, 400, "CR without LF");
    size_t last = end;
    while (last > from && (bytes[last - 1] == ' ' || bytes[last - 1] == '\t'))
        last--;
    int r = store(p, span_of(bytes + at, colon - at), span_of(bytes + from, last - from));
    return r < 0 ? r : (ssize_t)(end + 2);
}

/** All lines up to the empty one. @return the section's length, 0, or refuse() */
static ssize_t field_lines(struct h1_parser *p, struct window *w, const struct http_limits *limits)
{
    while (p->at < w->len) {
        char c = w->bytes[p->at];

        if (c == '\r') {
            if (p->at + 1 == w->len)
                return 0;
            if (w->bytes[p->at + 1] != '\n')
                return refuse(p, 400, "CR without LF");
            return (ssize_t)p->at + 2;
        }
        if (unlikely(p->count >= limits->header_count))
            return refuse(p, 431, "too many header fields");
        if (unlikely(c == ' ' || c == '\t'))
            return refuse(p, 400, "folded or indented field line");
        ssize_t next = field(p, w, p->at);
        if (next <= 0)
            return next;
        p->at = (uint32_t)next;
    }
    return 0;
}

static ssize_t parse(struct h1_parser *p, struct window *w, const struct http_limits *limits)
{
    int r = 1;

    if (p->stage == H1_START)
        r = skip_empty_line(p, w);
    if (r > 0 && p->stage == H1_REQUEST_LINE)
        r = request_line(p, w, limits);
    if (r > 0 && p->stage == H1_STATUS_LINE)
        r = status_line(p, w);
    return r > 0 ? field_lines(p, w, limits) : r;
}

ssize_t h1_parse(struct h1_parser *p, struct span bytes, const struct http_limits *limits)
{
    bool full = bytes.len > limits->header_bytes;
    struct window w;

    w.bytes = bytes.ptr;
    w.len = full ? limits->header_bytes : bytes.len;
    w.from = w.to = 0;
    if (p->base && p->base != bytes.ptr)
        move(p, bytes.ptr);
    p->base = bytes.ptr;
    ssize_t r = parse(p, &w, limits);
    if (r != 0 || !full)
        return r;
    if (p->stage == H1_FIELDS)
        return refuse(p, 431, "header section too long");
    return refuse(p, 414, "first line too long");
}

static void lower_in_place(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        text[i] = ascii_lower(text[i]);
}

#if defined(__SSE2__)

#include <emmintrin.h>

/** Lower case, 16 bytes a step; bytes past the name are written back as they were. */
static inline void lower_name(char *text, size_t len)
{
    if (unlikely(len > LOWER_STEP)) {
        lower_in_place(text, len - LOWER_STEP); /* long names are few */
        text += len - LOWER_STEP;
        len = LOWER_STEP;
    }
    const __m128i places = _mm_setr_epi8(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)text);
    __m128i upper = _mm_and_si128(_mm_cmpgt_epi8(c, _mm_set1_epi8('A' - 1)),
                                  _mm_cmplt_epi8(c, _mm_set1_epi8('Z' + 1)));
    __m128i within = _mm_cmplt_epi8(places, _mm_set1_epi8((char)len));
    __m128i bit = _mm_and_si128(_mm_and_si128(upper, within), _mm_set1_epi8(0x20));
    _mm_storeu_si128((__m128i *)(void *)text, _mm_or_si128(c, bit));
}

#else

static inline void lower_name(char *text, size_t len)
{
    lower_in_place(text, len);
}

#endif

static void forget(struct h1_parser *p)
{
    if (p->request)
        p->request->method_text = p->request->target = (struct span){0};
    if (p->fields)
        p->fields->count = 0;
}

/** How much of the section has a span in it: a refused request line counts as far as it is known.
 */
static size_t extent(const struct h1_parser *p)
{
    size_t max = p->at;

    if (!p->request)
        return max;
    const struct span known[] = {p->request->method_text, p->request->target};
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (known[i].ptr && (size_t)(known[i].ptr - p->base) + known[i].len > max)
            max = (size_t)(known[i].ptr - p->base) + known[i].len;
    return max;
}

int h1_parser_keep(struct h1_parser *p)
{
    if (!p->arena)
        return 0;
    size_t length = extent(p);
    char *copy = arena_alloc(p->arena, length + LOWER_STEP);
    if (!copy) {
        forget(p);
        return ERR_LIMIT;
    }
    memcpy(copy, p->base, length);
    memset(copy + length, 0, LOWER_STEP);
    move(p, copy);
    for (unsigned i = 0; p->fields && i < p->fields->count; i++) {
        struct span name = p->fields->items[i].name;
        lower_name(copy + (name.ptr - copy), name.len);
    }
    return 0;
}
