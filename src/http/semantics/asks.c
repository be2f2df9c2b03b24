/* One pass over a request's fields for those that say what is wanted of a representation. Reading
 * their values is for the other files. */
#include "http/http.h"

static int ask_of(struct span name)
{
    static const struct {
        struct span name;
        int ask;
    } known[HTTP_ASK_COUNT] = {
        {SPAN("accept"), HTTP_ASK_ACCEPT},
        {SPAN("accept-encoding"), HTTP_ASK_ACCEPT_ENCODING},
        {SPAN("range"), HTTP_ASK_RANGE},
        {SPAN("if-range"), HTTP_ASK_IF_RANGE},
        {SPAN("if-match"), HTTP_ASK_IF_MATCH},
        {SPAN("if-none-match"), HTTP_ASK_IF_NONE_MATCH},
        {SPAN("if-modified-since"), HTTP_ASK_IF_MODIFIED_SINCE},
        {SPAN("if-unmodified-since"), HTTP_ASK_IF_UNMODIFIED_SINCE},
    };

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (span_equal(name, known[i].name))
            return known[i].ask;
    return -1;
}

void http_asks_find(const struct http_fields *fields, struct http_asks *ret_asks)
{
    ret_asks->fields = fields;
    ret_asks->present = ret_asks->repeated = 0;
    for (unsigned i = 0; i < fields->count; i++) {
        struct span name = fields->items[i].name;
        /* The cheap test that spares nearly all others. */
        if (name.len < 5 || (name.ptr[0] != 'a' && name.ptr[0] != 'i' && name.ptr[0] != 'r'))
            continue;
        int ask = ask_of(name);
        if (ask < 0)
            continue;
        unsigned bit = 1u << ask;
        if (ret_asks->present & bit) {
            ret_asks->repeated |= bit;
            continue;
        }
        ret_asks->present |= bit;
        ret_asks->first[ask] = i;
    }
}
