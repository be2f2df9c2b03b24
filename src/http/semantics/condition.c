/* Preconditions of RFC 9110 section 13: whether a request goes on against the representation that
 * is there. Answering is for serve/. */
#include "http/http.h"

/* Strong dates need a second without doubt on either side of the clock's tick; RFC 9110 section
 * 8.8.2.2. */
enum { DATE_STRONG_AFTER = 2 };

static bool etag_equal(struct span a, struct span b, bool weak)
{
    struct span prefix = SPAN("W/");
    bool a_weak = span_starts(a, prefix), b_weak = span_starts(b, prefix);

    if (!weak && (a_weak || b_weak))
        return false;
    return span_equal(span_from(a, a_weak ? 2 : 0), span_from(b, b_weak ? 2 : 0));
}

/* Cuts one entity-tag off the front. @return false when there is none */
static bool eat_etag(struct span *rest, struct span *ret_etag)
{
    size_t at = span_starts(*rest, SPAN("W/")) ? 2 : 0;

    if (at >= rest->len || rest->ptr[at] != '"')
        return false;
    const char *end = memchr(rest->ptr + at + 1, '"', rest->len - at - 1);
    if (!end)
        return false;
    *ret_etag = span_of(rest->ptr, (size_t)(end + 1 - rest->ptr));
    *rest = span_from(*rest, ret_etag->len);
    return true;
}

static struct span skip(struct span s, const char *bytes)
{
    size_t i = 0;

    while (i < s.len && s.ptr[i] && strchr(bytes, s.ptr[i]))
        i++;
    return span_from(s, i);
}

bool http_etag_listed(struct span list, struct span etag, bool weak)
{
    struct span member;

    list = span_trim(list);
    if (span_equal(list, SPAN("*")))
        return true;
    /* A comma may stand inside of a tag, so the list cannot be split at commas. */
    for (list = skip(list, " \t,"); list.len; list = skip(list, " \t,")) {
        if (!eat_etag(&list, &member))
            return false;
        if (etag.len && etag_equal(member, etag, weak))
            return true;
        list = skip(list, " \t");
        if (list.len && list.ptr[0] != ',')
            return false;
    }
    return false;
}

static const struct http_field *first_of(const struct http_asks *asks, enum http_ask ask)
{
    return &asks->fields->items[asks->first[ask]];
}

/* All lines of the field are one list. */
static bool listed(const struct http_asks *asks, enum http_ask ask, struct span etag, bool weak)
{
    const struct http_field *first = first_of(asks, ask);
    unsigned count = asks->repeated & 1u << ask ? asks->fields->count : asks->first[ask] + 1;

    for (unsigned i = asks->first[ask]; i < count; i++) {
        const struct http_field *field = &asks->fields->items[i];
        if (span_equal(field->name, first->name) && http_etag_listed(field->value, etag, weak))
            return true;
    }
    return false;
}

/* The date of a field that came once and is well-formed. */
static bool date_asked(const struct http_asks *asks, enum http_ask ask, int64_t now,
                       int64_t *ret_seconds)
{
    if (!http_asks_for(asks, ask) || asks->repeated & 1u << ask)
        return false;
    return http_date_parse(first_of(asks, ask)->value, now, ret_seconds) == 0;
}

/* RFC 9110 section 13.1.5: a strong entity-tag, or exactly the date if that is strong. */
static bool if_range_holds(const struct http_asks *asks, const struct http_validators *validators,
                           int64_t now)
{
    struct span value = first_of(asks, HTTP_ASK_IF_RANGE)->value;
    int64_t date;

    if (asks->repeated & 1u << HTTP_ASK_IF_RANGE)
        return false;
    if (value.len && (value.ptr[0] == '"' || span_starts(value, SPAN("W/"))))
        return validators->etag.len && etag_equal(value, validators->etag, false);
    return validators->modified >= 0 && http_date_parse(value, now, &date) == 0 &&
           date == validators->modified && now - date >= DATE_STRONG_AFTER;
}

/* Steps 1 and 2. */
static bool may_proceed(const struct http_asks *asks, const struct http_validators *validators,
                        int64_t now)
{
    int64_t date;

    if (http_asks_for(asks, HTTP_ASK_IF_MATCH))
        return listed(asks, HTTP_ASK_IF_MATCH, validators->etag, false);
    if (validators->modified >= 0 && date_asked(asks, HTTP_ASK_IF_UNMODIFIED_SINCE, now, &date))
        return validators->modified <= date;
    return true;
}

/* Steps 3 and 4: whether the client has it already. */
static bool is_known(const struct http_asks *asks, const struct http_validators *validators,
                     bool safe, int64_t now)
{
    int64_t date;

    if (http_asks_for(asks, HTTP_ASK_IF_NONE_MATCH))
        return listed(asks, HTTP_ASK_IF_NONE_MATCH, validators->etag, true);
    return safe && validators->modified >= 0 &&
           date_asked(asks, HTTP_ASK_IF_MODIFIED_SINCE, now, &date) && validators->modified <= date;
}

enum http_condition http_conditions(const struct http_asks *asks,
                                    const struct http_validators *validators, bool safe,
                                    int64_t now)
{
    const unsigned conditional = 1u << HTTP_ASK_IF_MATCH | 1u << HTTP_ASK_IF_NONE_MATCH |
                                 1u << HTTP_ASK_IF_MODIFIED_SINCE |
                                 1u << HTTP_ASK_IF_UNMODIFIED_SINCE | 1u << HTTP_ASK_IF_RANGE;

    if (likely(!(asks->present & conditional)))
        return HTTP_CONDITION_GO_ON;
    if (!may_proceed(asks, validators, now))
        return HTTP_CONDITION_FAILED;
    if (is_known(asks, validators, safe, now))
        return safe ? HTTP_CONDITION_NOT_MODIFIED : HTTP_CONDITION_FAILED;
    if (http_asks_for(asks, HTTP_ASK_IF_RANGE) && !if_range_holds(asks, validators, now))
        return HTTP_CONDITION_NO_RANGE;
    return HTTP_CONDITION_GO_ON;
}
