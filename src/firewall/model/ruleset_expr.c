/* Expressions and statements of rules from nftables' JSON (libnftables-json(5)). What is not
 * understood becomes EXPR_OPAQUE or STATEMENT_UNSURE, never nothing. */
#include <stdlib.h>

#include "firewall/model/ruleset_internal.h"

enum { DEPTH_MAX = 24 };

static void read_expr(struct ruleset_reader *reader, const json_t *json, unsigned depth,
                      struct expr *expr);

/* The value of an object's only member. */
static const json_t *only(const json_t *object, const char **ret_key)
{
    void *member = json_object_iter((json_t *)(uintptr_t)object);

    *ret_key = member ? json_object_iter_key(member) : "";
    return member ? json_object_iter_value(member) : NULL;
}

/* Reads the members of an array, or one value that stands alone. */
static void read_items(struct ruleset_reader *reader, const json_t *json, unsigned depth,
                       struct expr *expr)
{
    size_t count = json_is_array(json) ? json_array_size(json) : 1;

    expr->items = count ? ruleset_alloc(reader, count, sizeof *expr->items) : NULL;
    for (size_t i = 0; expr->items && i < count; i++)
        read_expr(reader, json_is_array(json) ? json_array_get(json, i) : json, depth + 1,
                  &expr->items[i]);
    expr->count = expr->items ? count : 0;
}

/* ---- elements of sets ---- */

/* An element may be wrapped: {"elem": {"val": ..., "timeout": 60}} */
static const json_t *unwrap(const json_t *json)
{
    const json_t *inner = json_object_get(json_object_get(json, "elem"), "val");

    return inner ? inner : json;
}

static void read_pair(struct ruleset_reader *reader, const json_t *json, unsigned depth,
                      struct expr *expr)
{
    expr->items = json_array_size(json) == 2 ? ruleset_alloc(reader, 2, sizeof *expr->items) : NULL;
    if (!expr->items) {
        ruleset_fail(reader, ERR_SYNTAX, "an element of a map is no pair");
        return;
    }
    expr->kind = EXPR_PAIR;
    expr->count = 2;
    read_expr(reader, unwrap(json_array_get(json, 0)), depth + 1, &expr->items[0]);
    read_expr(reader, unwrap(json_array_get(json, 1)), depth + 1, &expr->items[1]);
}

static void read_set(struct ruleset_reader *reader, const json_t *elements, bool map,
                     unsigned depth, struct expr *expr)
{
    size_t count = json_is_array(elements) ? json_array_size(elements) : elements ? 1 : 0;

    expr->kind = EXPR_SET;
    expr->items = count ? ruleset_alloc(reader, count, sizeof *expr->items) : NULL;
    for (size_t i = 0; expr->items && i < count; i++) {
        const json_t *element = json_is_array(elements) ? json_array_get(elements, i) : elements;
        if (map)
            read_pair(reader, element, depth, &expr->items[i]);
        else
            read_expr(reader, unwrap(element), depth + 1, &expr->items[i]);
    }
    expr->count = expr->items ? count : 0;
}

void ruleset_read_elements(struct ruleset_reader *reader, const json_t *elements, bool map,
                           struct expr *ret_set)
{
    read_set(reader, elements, map, 0, ret_set);
}

/* What a map or vmap looks up in: {"set": [[key, data], ...]} or "@name". */
static void read_map_data(struct ruleset_reader *reader, const json_t *json, unsigned depth,
                          struct expr *expr)
{
    const json_t *set = json_object_get(json, "set");

    if (set)
        read_set(reader, set, true, depth + 1, expr);
    else
        read_expr(reader, json, depth + 1, expr);
}

/* ---- expressions ---- */

static void opaque(struct expr *expr, const char *word)
{
    *expr = (struct expr){.kind = EXPR_OPAQUE, .word = word};
}

static bool read_verdict(const char *key, const json_t *value, struct expr *expr)
{
    static const char *const names[] = {
        [VERDICT_ACCEPT] = "accept", [VERDICT_DROP] = "drop", [VERDICT_CONTINUE] = "continue",
        [VERDICT_RETURN] = "return", [VERDICT_JUMP] = "jump", [VERDICT_GOTO] = "goto",
    };

    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        if (strcmp(key, names[i]) != 0)
            continue;
        const char *target = json_string_value(json_object_get(value, "target"));
        if (i >= VERDICT_JUMP && !target)
            return false;
        *expr = (struct expr){.kind = EXPR_VERDICT, .number = i, .word = target};
        return true;
    }
    return false;
}

static void read_prefix(struct ruleset_reader *reader, const json_t *value, unsigned depth,
                        struct expr *expr)
{
    json_int_t len = json_integer_value(json_object_get(value, "len"));

    expr->kind = EXPR_PREFIX;
    expr->number = len >= 0 && len <= 128 ? (uint64_t)len : 128;
    read_items(reader, json_object_get(value, "addr"), depth, expr);
}

static void read_payload(const json_t *value, struct expr *expr)
{
    const char *base = json_string_value(json_object_get(value, "base"));
    const char *protocol = json_string_value(json_object_get(value, "protocol"));
    const char *field = json_string_value(json_object_get(value, "field"));
    json_int_t offset = json_integer_value(json_object_get(value, "offset"));
    json_int_t len = json_integer_value(json_object_get(value, "len"));

    if (json_object_get(value, "tunnel") || (!base && (!protocol || !field)))
        opaque(expr, "payload");
    else if (!base)
        *expr = (struct expr){.kind = EXPR_PAYLOAD, .word = protocol, .more = field};
    else if (offset < 0 || offset > 1 << 16 || len <= 0 || len > 128)
        opaque(expr, "payload");
    else
        *expr = (struct expr){
            .kind = EXPR_RAW, .word = base, .number = (uint64_t)offset, .len = (unsigned)len};
}

static void read_keyed(enum expr_kind kind, const json_t *value, struct expr *expr)
{
    const char *key = json_string_value(json_object_get(value, "key"));

    if (!key)
        opaque(expr, kind == EXPR_CT ? "ct" : "meta");
    else
        *expr = (struct expr){
            .kind = kind, .word = key, .more = json_string_value(json_object_get(value, "dir"))};
}

static void read_fib(struct ruleset_reader *reader, const json_t *value, unsigned depth,
                     struct expr *expr)
{
    const char *result = json_string_value(json_object_get(value, "result"));

    if (!result) {
        opaque(expr, "fib");
        return;
    }
    *expr = (struct expr){.kind = EXPR_FIB, .word = result};
    if (json_object_get(value, "flags"))
        read_items(reader, json_object_get(value, "flags"), depth, expr);
}

static void read_map(struct ruleset_reader *reader, const json_t *value, unsigned depth,
                     struct expr *expr)
{
    struct expr *items = ruleset_alloc(reader, 2, sizeof *items);

    if (!items)
        return;
    *expr = (struct expr){.kind = EXPR_MAP, .items = items, .count = 2};
    read_expr(reader, json_object_get(value, "key"), depth + 1, &items[0]);
    read_map_data(reader, json_object_get(value, "data"), depth + 1, &items[1]);
}

static const struct {
    const char *key;
    enum expr_kind kind;
    size_t least; /* items */
} listed[] = {
    {"concat", EXPR_CONCAT, 1},  {"range", EXPR_RANGE, 2}, {"&", EXPR_AND, 2},
    {"|", EXPR_OR, 2},           {"^", EXPR_XOR, 2},       {"<<", EXPR_SHIFT_LEFT, 2},
    {">>", EXPR_SHIFT_RIGHT, 2},
};

static bool read_listed(struct ruleset_reader *reader, const char *key, const json_t *value,
                        unsigned depth, struct expr *expr)
{
    for (size_t i = 0; i < ARRAY_SIZE(listed); i++) {
        if (strcmp(key, listed[i].key) != 0)
            continue;
        if (json_array_size(value) < listed[i].least)
            return false;
        expr->kind = listed[i].kind;
        read_items(reader, value, depth, expr);
        return true;
    }
    return false;
}

static void read_object(struct ruleset_reader *reader, const json_t *json, unsigned depth,
                        struct expr *expr)
{
    const char *key;
    const json_t *value = only(json, &key);

    if (json_object_size(json) != 1)
        opaque(expr, "expression");
    else if (strcmp(key, "set") == 0)
        read_set(reader, value, false, depth + 1, expr);
    else if (strcmp(key, "prefix") == 0)
        read_prefix(reader, value, depth, expr);
    else if (strcmp(key, "payload") == 0)
        read_payload(value, expr);
    else if (strcmp(key, "meta") == 0)
        read_keyed(EXPR_META, value, expr);
    else if (strcmp(key, "ct") == 0)
        read_keyed(EXPR_CT, value, expr);
    else if (strcmp(key, "exthdr") == 0 || strcmp(key, "ip option") == 0)
        *expr = (struct expr){
            .kind = EXPR_EXTENSION, .word = key, .number = json_object_get(value, "field") == NULL};
    else if (strcmp(key, "fib") == 0)
        read_fib(reader, value, depth, expr);
    else if (strcmp(key, "map") == 0)
        read_map(reader, value, depth, expr);
    else if (!read_listed(reader, key, value, depth, expr) && !read_verdict(key, value, expr))
        opaque(expr, key);
}

static void read_word(const char *text, struct expr *expr)
{
    if (strcmp(text, "*") == 0)
        expr->kind = EXPR_WILDCARD;
    else if (text[0] == '@')
        *expr = (struct expr){.kind = EXPR_NAMED_SET, .word = text + 1};
    else
        *expr = (struct expr){.kind = EXPR_WORD, .word = text};
}

static void read_expr(struct ruleset_reader *reader, const json_t *json, unsigned depth,
                      struct expr *expr)
{
    opaque(expr, "expression");
    if (depth > DEPTH_MAX) {
        ruleset_fail(reader, ERR_LIMIT, "an expression is nested more than %d deep", DEPTH_MAX);
    } else if (json_is_object(json)) {
        read_object(reader, json, depth, expr);
    } else if (json_is_array(json)) {
        expr->kind = EXPR_LIST;
        read_items(reader, json, depth, expr);
    } else if (json_is_string(json)) {
        read_word(json_string_value(json), expr);
    } else if (json_is_boolean(json)) {
        *expr = (struct expr){.kind = EXPR_BOOL, .number = json_is_true(json)};
    } else if (json_is_integer(json) && json_integer_value(json) >= 0) {
        *expr = (struct expr){.kind = EXPR_NUMBER, .number = (uint64_t)json_integer_value(json)};
    }
}

/* ---- statements ---- */

static struct expr *read_part(struct ruleset_reader *reader, const json_t *json)
{
    struct expr *expr = json ? ruleset_alloc(reader, 1, sizeof *expr) : NULL;

    if (expr)
        read_expr(reader, json, 0, expr);
    return expr;
}

static int read_op(const json_t *value)
{
    static const char *const names[] = {
        [MATCH_EQUAL] = "==",   [MATCH_NOT_EQUAL] = "!=",  [MATCH_LESS] = "<",
        [MATCH_GREATER] = ">",  [MATCH_LESS_EQUAL] = "<=", [MATCH_GREATER_EQUAL] = ">=",
        [MATCH_ANY_BIT] = "in", [MATCH_NO_BIT] = "!",
    };
    const char *op = json_string_value(json_object_get(value, "op"));

    for (size_t i = 0; op && i < ARRAY_SIZE(names); i++)
        if (strcmp(op, names[i]) == 0)
            return (int)i;
    return op ? -1 : MATCH_EQUAL;
}

static void read_match(struct ruleset_reader *reader, const json_t *value,
                       struct statement *statement)
{
    int op = read_op(value);

    statement->left = read_part(reader, json_object_get(value, "left"));
    statement->right = read_part(reader, json_object_get(value, "right"));
    if (op < 0 || !statement->left || !statement->right)
        return; /* stays unsure */
    statement->kind = STATEMENT_MATCH;
    statement->op = (enum match_op)op;
}

static void read_vmap(struct ruleset_reader *reader, const json_t *value,
                      struct statement *statement)
{
    statement->left = read_part(reader, json_object_get(value, "key"));
    statement->right = ruleset_alloc(reader, 1, sizeof *statement->right);
    if (statement->right)
        read_map_data(reader, json_object_get(value, "data"), 0, statement->right);
    if (statement->left && statement->right)
        statement->kind = STATEMENT_VMAP;
}

static void read_mangle(struct ruleset_reader *reader, const json_t *value,
                        struct statement *statement)
{
    statement->left = read_part(reader, json_object_get(value, "key"));
    statement->right = read_part(reader, json_object_get(value, "value"));
    if (statement->left && statement->right)
        statement->kind = STATEMENT_MANGLE;
}

static void read_dnat(struct ruleset_reader *reader, const json_t *value,
                      struct statement *statement)
{
    statement->kind = STATEMENT_DNAT;
    statement->family = ruleset_family_of(json_string_value(json_object_get(value, "family")));
    statement->left = read_part(reader, json_object_get(value, "addr"));
    statement->right = read_part(reader, json_object_get(value, "port"));
}

static void read_snat(struct ruleset_reader *reader, const json_t *value,
                      struct statement *statement)
{
    statement->kind = STATEMENT_SNAT;
    statement->family = ruleset_family_of(json_string_value(json_object_get(value, "family")));
}

static void read_redirect(struct ruleset_reader *reader, const json_t *value,
                          struct statement *statement)
{
    statement->kind = STATEMENT_REDIRECT;
    statement->right = read_part(reader, json_object_get(value, "port"));
}

/* Listings leave out that "tcp reset" is for TCP and "icmp" for IPv4. */
static void read_reject(struct ruleset_reader *reader, const json_t *value,
                        struct statement *statement)
{
    const char *type = json_string_value(json_object_get(value, "type"));

    statement->kind = STATEMENT_REJECT;
    statement->word = type ? type : "";
}

/* add, update or delete an element; with a limit inside it may not match */
static void read_update(struct ruleset_reader *reader, const json_t *value,
                        struct statement *statement)
{
    const char *set = json_string_value(json_object_get(value, "set"));

    if (!set || json_object_get(value, "stmt"))
        return; /* stays unsure */
    statement->kind = STATEMENT_UPDATE;
    statement->word = set[0] == '@' ? set + 1 : set;
}

/* An extension of iptables: {"type": "match", "name": "comment"}; older nftables says nothing. */
static void read_extension(struct ruleset_reader *reader, const json_t *value,
                           struct statement *statement)
{
    static const char *const quiet[] = {"LOG",      "NFLOG",    "TCPMSS", "TRACE",
                                        "CHECKSUM", "CLASSIFY", "DSCP",   "TOS",
                                        "TTL",      "HL",       "AUDIT",  "TCPOPTSTRIP"};
    const char *type = json_string_value(json_object_get(value, "type"));
    const char *name = json_string_value(json_object_get(value, "name"));

    statement->word = name ? name : "xt";
    statement->extension = true;
    if (type && strcmp(type, "match") == 0) {
        statement->kind = name && strcmp(name, "comment") == 0 ? STATEMENT_QUIET : STATEMENT_UNSURE;
        return;
    }
    statement->kind = STATEMENT_FOREIGN;
    if (name && strcmp(name, "REJECT") == 0)
        *statement = (struct statement){.kind = STATEMENT_REJECT, .word = "", .family = -1};
    for (size_t i = 0; name && i < ARRAY_SIZE(quiet); i++)
        if (strcmp(name, quiet[i]) == 0)
            statement->kind = STATEMENT_QUIET;
}

/* A log whose prefix says so stands for an extension that nftables writes but does not read. */
static void read_log(struct ruleset_reader *reader, const json_t *value,
                     struct statement *statement)
{
    const char *prefix = json_string_value(json_object_get(value, "prefix"));
    const char *name = prefix ? ruleset_extension(prefix) : NULL;

    statement->kind = STATEMENT_QUIET;
    if (!name)
        return;
    bool match = strncmp(name, "match ", 6) == 0;
    statement->kind = match ? STATEMENT_UNSURE : STATEMENT_FOREIGN;
    statement->word = strchr(name, ' ') ? strchr(name, ' ') + 1 : name;
    statement->extension = true;
}

static const struct {
    const char *key;
    enum statement_kind kind;
    void (*read)(struct ruleset_reader *reader, const json_t *value, struct statement *statement);
} statements[] = {
    {"match", STATEMENT_UNSURE, read_match},
    {"vmap", STATEMENT_UNSURE, read_vmap},
    {"mangle", STATEMENT_UNSURE, read_mangle},
    {"dnat", STATEMENT_UNSURE, read_dnat},
    {"redirect", STATEMENT_UNSURE, read_redirect},
    {"set", STATEMENT_UNSURE, read_update},
    {"xt", STATEMENT_UNSURE, read_extension},
    {"reject", STATEMENT_REJECT, read_reject},
    {"snat", STATEMENT_UNSURE, read_snat},
    {"masquerade", STATEMENT_UNSURE, read_snat},
    {"notrack", STATEMENT_NOTRACK, NULL},
    {"queue", STATEMENT_QUEUE, NULL},
    {"fwd", STATEMENT_TAKEN, NULL},
    {"synproxy", STATEMENT_TAKEN, NULL},
    {"counter", STATEMENT_QUIET, NULL},
    {"log", STATEMENT_QUIET, read_log},
    {"dup", STATEMENT_QUIET, NULL},
    {"flow", STATEMENT_QUIET, NULL},
    {"last", STATEMENT_QUIET, NULL},
    {"secmark", STATEMENT_QUIET, NULL},
    {"ct helper", STATEMENT_QUIET, NULL},
    {"ct timeout", STATEMENT_QUIET, NULL},
    {"ct expectation", STATEMENT_QUIET, NULL},
};

static void read_statement(struct ruleset_reader *reader, const json_t *json,
                           struct statement *statement)
{
    struct expr verdict;
    const char *key;
    const json_t *value = only(json, &key);

    *statement = (struct statement){
        .kind = STATEMENT_UNSURE, .word = *key ? key : "statement", .family = -1};
    if (read_verdict(key, value, &verdict)) {
        statement->left = ruleset_alloc(reader, 1, sizeof verdict);
        if (!statement->left)
            return;
        *statement->left = verdict;
        statement->kind = STATEMENT_VERDICT;
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(statements); i++) {
        if (strcmp(key, statements[i].key) != 0)
            continue;
        statement->kind = statements[i].kind;
        if (statements[i].read)
            statements[i].read(reader, value, statement);
        return;
    }
}

void ruleset_read_statements(struct ruleset_reader *reader, const json_t *array,
                             struct ruleset_rule *rule)
{
    size_t count = json_array_size(array);

    rule->statements = count ? ruleset_alloc(reader, count, sizeof *rule->statements) : NULL;
    for (size_t i = 0; rule->statements && i < count; i++)
        read_statement(reader, json_array_get(array, i), &rule->statements[i]);
    rule->count = rule->statements ? count : 0;
}
