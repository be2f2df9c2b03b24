/* Header rules: which fields the settings set, add or remove in every answer of a site. */
#pragma once

#include "http/http.h"

/** What to do with one field of an answer. */
enum header_op {
    HEADER_SET,    /**< replace every field of that name */
    HEADER_ADD,    /**< one more field */
    HEADER_REMOVE, /**< drop every field of that name; the value is not looked at */
};

struct header_rule {
    struct span name;  /**< lower case */
    struct span value; /**< must live as long as the exchange */
    enum header_op op;
};

/** What a site or a route changes in every answer, in order. */
struct header_rules {
    struct header_rule *items;
    size_t count;
    size_t plain_count; /**< the first so many of them go over plain HTTP as well */
};

/** Frees the rules with their texts, each of which is a string of its own. */
void header_rules_finish(struct header_rules *rules);

/** Applies rules in order. An error (status >= 400) takes no cache-control and no expires from
 *  them: those are meant for what the site has.
 *  @return 0, or ERR_LIMIT when the arena is full */
must_check int header_rules_apply(const struct header_rule *rules, size_t count,
                                  struct arena *arena, struct http_response *response);
