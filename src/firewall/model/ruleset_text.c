/* Rules as `nft list ruleset` writes them, from the JSON they were read from. Counts of packets are
 * left out: they differ from look to look. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/model/ruleset_internal.h"

enum { TEXT_MAX = 4096, DEPTH_MAX = 24 };

/* How constants look beside what they are compared with. */
enum style { PLAIN, QUOTED, MARK, FLAGS, PROTOCOL };

static void put_expr(struct buffer *out, const json_t *json, enum style style, unsigned depth);

/* A text that is too long ends where it does. */
static printf_like(2, 3) void put(struct buffer *out, const char *format, ...)
{
    char *text = NULL;
    va_list args;

    va_start(args, format);
    int len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0)
        abort();
    size_t left = out->ceiling - out->len;
    if (buffer_append(out, text, (size_t)len < left ? (size_t)len : left) < 0)
        abort(); /* fits, as was just measured */
    free(text);
}

static const json_t *get(const json_t *object, const char *key)
{
    return json_object_get(object, key);
}

static const char *word(const json_t *object, const char *key)
{
    const char *text = json_string_value(get(object, key));

    return text ? text : "";
}

static long long number(const json_t *object, const char *key)
{
    return json_integer_value(get(object, key));
}

/* An object's only member. */
static const json_t *only(const json_t *json, const char **ret_key)
{
    void *member = json_object_iter((json_t *)(uintptr_t)json);

    *ret_key = member ? json_object_iter_key(member) : "";
    return member ? json_object_iter_value(member) : NULL;
}

static void put_json(struct buffer *out, const json_t *json)
{
    char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);

    put(out, "%s", text ? text : "?");
    free(text);
}

static void put_joined(struct buffer *out, const json_t *array, const char *between,
                       enum style style, unsigned depth)
{
    if (!json_is_array(array)) {
        put_expr(out, array, style, depth);
        return;
    }
    for (size_t i = 0; i < json_array_size(array); i++) {
        put(out, "%s", i ? between : "");
        put_expr(out, json_array_get(array, i), style, depth + 1);
    }
}

/* ---- expressions ---- */

static enum style style_of_meta(const char *key)
{
    static const char *const quoted[] = {"iif",     "oif",     "iifname", "oifname",
                                         "ibrname", "obrname", "iifkind", "oifkind",
                                         "time",    "hour",    "day"};

    for (size_t i = 0; i < ARRAY_SIZE(quoted); i++)
        if (strcmp(key, quoted[i]) == 0)
            return QUOTED;
    return strcmp(key, "mark") == 0 ? MARK : strcmp(key, "l4proto") == 0 ? PROTOCOL : PLAIN;
}

/* The style that an expression's constants have; a concatenation is styled part by part. */
static enum style style_of(const json_t *left, unsigned depth)
{
    const char *kind;
    const json_t *value = only(left, &kind);

    if (strcmp(kind, "meta") == 0)
        return style_of_meta(word(value, "key"));
    if (strcmp(kind, "ct") == 0 && strcmp(word(value, "key"), "mark") == 0)
        return MARK;
    if (strcmp(kind, "ct") == 0)
        return strcmp(word(value, "key"), "helper") == 0 ? QUOTED
               : strcmp(word(value, "key"), "state") == 0 || !strcmp(word(value, "key"), "status")
                   ? FLAGS
                   : PLAIN;
    if (strcmp(kind, "payload") == 0)
        return strcmp(word(value, "field"), "flags") == 0      ? FLAGS
               : strcmp(word(value, "field"), "protocol") == 0 ? PROTOCOL
               : strcmp(word(value, "field"), "nexthdr") == 0  ? PROTOCOL
                                                               : PLAIN;
    if (json_is_array(value) && depth < DEPTH_MAX && kind[0] && strchr("&|^<>", kind[0]))
        return style_of(json_array_get(value, 0), depth + 1);
    return PLAIN;
}

static void put_elements(struct buffer *out, const json_t *set, enum style style, unsigned depth)
{
    put(out, "{ ");
    for (size_t i = 0; i < json_array_size(set) && out->len < out->ceiling; i++) {
        const json_t *element = json_array_get(set, i);
        put(out, "%s", i ? ", " : "");
        if (json_is_array(element) && json_array_size(element) == 2) {
            put_expr(out, json_array_get(element, 0), style, depth + 1);
            put(out, " : ");
            put_expr(out, json_array_get(element, 1), PLAIN, depth + 1);
        } else {
            put_expr(out, element, style, depth + 1);
        }
    }
    put(out, " }");
}

static void put_set(struct buffer *out, const json_t *set, enum style style, unsigned depth)
{
    if (json_is_array(set))
        put_elements(out, set, style, depth);
    else
        put_expr(out, set, style, depth + 1);
}

static void put_payload(struct buffer *out, const json_t *value)
{
    if (get(value, "base"))
        put(out, "@%s,%lld,%lld", word(value, "base"), number(value, "offset"),
            number(value, "len"));
    else
        put(out, "%s %s", word(value, "protocol"), word(value, "field"));
}

static void put_meta(struct buffer *out, const json_t *value)
{
    static const char *const bare[] = {"iif", "oif", "iifname", "oifname", "iifgroup", "oifgroup"};
    const char *key = word(value, "key");

    for (size_t i = 0; i < ARRAY_SIZE(bare); i++)
        if (strcmp(key, bare[i]) == 0) {
            put(out, "%s", key);
            return;
        }
    put(out, "meta %s", key);
}

static void put_ct(struct buffer *out, const json_t *value)
{
    const char *direction = word(value, "dir");

    put(out, "ct %s%s%s", direction, *direction ? " " : "", word(value, "key"));
}

static void put_fib(struct buffer *out, const json_t *value, unsigned depth)
{
    put(out, "fib ");
    put_joined(out, get(value, "flags"), " . ", PLAIN, depth);
    put(out, " %s", word(value, "result"));
}

static void put_header(struct buffer *out, const char *kind, const json_t *value)
{
    bool field = get(value, "field") != NULL;

    if (strcmp(kind, "exthdr") == 0 && field)
        put(out, "%s %s", word(value, "name"), word(value, "field"));
    else
        put(out, "%s %s%s%s", kind, word(value, "name"), field ? " " : "", word(value, "field"));
}

static void put_numgen(struct buffer *out, const json_t *value)
{
    put(out, "numgen %s mod %lld", word(value, "mode"), number(value, "mod"));
    if (number(value, "offset"))
        put(out, " offset %lld", number(value, "offset"));
}

static void put_map(struct buffer *out, const json_t *value, const char *name, unsigned depth)
{
    put_expr(out, get(value, "key"), PLAIN, depth + 1);
    put(out, " %s ", name);
    put_expr(out, get(value, "data"), style_of(get(value, "key"), 0), depth + 1);
}

static void put_element(struct buffer *out, const json_t *value, enum style style, unsigned depth)
{
    put_expr(out, get(value, "val"), style, depth + 1);
    if (get(value, "timeout"))
        put(out, " timeout %llds", number(value, "timeout"));
    if (get(value, "comment"))
        put(out, " comment \"%s\"", word(value, "comment"));
}

static bool put_verdict(struct buffer *out, const char *kind, const json_t *value)
{
    static const char *const plain[] = {"accept", "drop", "continue", "return"};

    for (size_t i = 0; i < ARRAY_SIZE(plain); i++)
        if (strcmp(kind, plain[i]) == 0) {
            put(out, "%s", kind);
            return true;
        }
    if (strcmp(kind, "jump") != 0 && strcmp(kind, "goto") != 0)
        return false;
    put(out, "%s %s", kind, word(value, "target"));
    return true;
}

static bool put_keyed(struct buffer *out, const char *kind, const json_t *value)
{
    if (strcmp(kind, "payload") == 0)
        put_payload(out, value);
    else if (strcmp(kind, "meta") == 0)
        put_meta(out, value);
    else if (strcmp(kind, "ct") == 0)
        put_ct(out, value);
    else if (strcmp(kind, "rt") == 0 || strcmp(kind, "socket") == 0 || strcmp(kind, "osf") == 0)
        put(out, "%s %s", kind, word(value, "key"));
    else if (strcmp(kind, "exthdr") == 0 || strcmp(kind, "tcp option") == 0 ||
             strcmp(kind, "ip option") == 0)
        put_header(out, kind, value);
    else if (strcmp(kind, "numgen") == 0)
        put_numgen(out, value);
    else
        return put_verdict(out, kind, value);
    return true;
}

static void put_object(struct buffer *out, const json_t *json, enum style style, unsigned depth)
{
    const char *kind;
    const json_t *value = only(json, &kind);

    if (strcmp(kind, "prefix") == 0) {
        put_expr(out, get(value, "addr"), style, depth + 1);
        put(out, "/%lld", number(value, "len"));
    } else if (strcmp(kind, "range") == 0) {
        put_joined(out, value, "-", style, depth);
    } else if (strcmp(kind, "concat") == 0) {
        put_joined(out, value, " . ", style, depth);
    } else if (strcmp(kind, "set") == 0) {
        put_set(out, value, style, depth);
    } else if (strcmp(kind, "map") == 0) {
        put_map(out, value, "map", depth);
    } else if (strcmp(kind, "fib") == 0) {
        put_fib(out, value, depth);
    } else if (strcmp(kind, "elem") == 0) {
        put_element(out, value, style, depth);
    } else if (*kind && strchr("&|^<>", *kind)) {
        scoped(mem_release) char *between = mem_format(" %s ", kind);
        put_joined(out, value, between, style ? style : style_of(json, 0), depth);
    } else if (!put_keyed(out, kind, value)) {
        put_json(out, json);
    }
}

/* Listings with numeric protocols are read, but people know their names. */
static const char *protocol_name(const json_t *json)
{
    static const struct {
        int number;
        const char *name;
    } names[] = {{1, "icmp"}, {6, "tcp"}, {17, "udp"}, {58, "ipv6-icmp"}, {132, "sctp"}};

    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        if (json_is_integer(json) && json_integer_value(json) == names[i].number)
            return names[i].name;
    return NULL;
}

static void put_expr(struct buffer *out, const json_t *json, enum style style, unsigned depth)
{
    const char *text =
        style == PROTOCOL && protocol_name(json) ? protocol_name(json) : json_string_value(json);

    if (depth > DEPTH_MAX || out->len == out->ceiling)
        put(out, "...");
    else if (text)
        put(out, style == QUOTED && text[0] != '@' && strcmp(text, "*") != 0 ? "\"%s\"" : "%s",
            text);
    else if (json_is_integer(json))
        put(out,
            style == MARK    ? "0x%08llx"
            : style == FLAGS ? "0x%llx"
                             : "%lld",
            json_integer_value(json));
    else if (json_is_array(json))
        put_joined(out, json, style == MARK ? " | " : ",", style, depth);
    else if (json_is_object(json))
        put_object(out, json, style, depth);
    else
        put_json(out, json);
}

/* ---- statements ---- */

/* "tcp flags syn / fin,syn,rst,ack". @return false when the match is no such */
static bool put_flags_match(struct buffer *out, const json_t *match)
{
    const json_t *masked = get(get(match, "left"), "&"), *right = get(match, "right");
    const json_t *left = json_array_get(masked, 0), *mask = json_array_get(masked, 1);
    bool equal = strcmp(word(match, "op"), "==") == 0;

    if (style_of(left, 0) != FLAGS || (!equal && strcmp(word(match, "op"), "!=") != 0) ||
        json_is_integer(mask) || json_is_object(right))
        return false;
    put_expr(out, left, PLAIN, 0);
    put(out, equal ? " " : " != ");
    put_joined(out, right, ",", FLAGS, 0);
    put(out, " / ");
    put_joined(out, get(mask, "|") ? get(mask, "|") : mask, ",", FLAGS, 0);
    return true;
}

static bool prints_equal(const json_t *left, const json_t *right)
{
    const char *kind;

    only(left, &kind);
    if (*kind && strchr("&|^<>", *kind))
        return true;
    return style_of(left, 0) == FLAGS && !json_is_object(right) && !json_is_array(right) &&
           json_string_value(right) != NULL && json_string_value(right)[0] != '@';
}

static void put_match(struct buffer *out, const json_t *match)
{
    const json_t *left = get(match, "left"), *right = get(match, "right");
    const char *op = word(match, "op");

    if (put_flags_match(out, match))
        return;
    put_expr(out, left, PLAIN, 0);
    if (strcmp(op, "==") == 0 ? prints_equal(left, right) : strcmp(op, "in") != 0)
        put(out, " %s", op);
    put(out, " ");
    if (json_is_boolean(right))
        put(out, json_is_true(right) ? "exists" : "missing");
    else
        put_expr(out, right, style_of(left, 0), 0);
}

static void put_reject(struct buffer *out, const json_t *value)
{
    put(out, "reject");
    if (get(value, "type"))
        put(out, " with %s%s%s", word(value, "type"), get(value, "expr") ? " " : "",
            word(value, "expr"));
}

static void put_log(struct buffer *out, const json_t *value)
{
    static const char *const numbers[] = {"group", "snaplen", "queue-threshold"};

    if (ruleset_extension(word(value, "prefix"))) {
        put(out, "xt %s", ruleset_extension(word(value, "prefix")));
        return;
    }
    put(out, "log");
    if (get(value, "prefix"))
        put(out, " prefix \"%s\"", word(value, "prefix"));
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
        if (get(value, numbers[i]))
            put(out, " %s %lld", numbers[i], number(value, numbers[i]));
    if (get(value, "level"))
        put(out, " level %s", word(value, "level"));
    if (get(value, "flags")) {
        put(out, " flags ");
        put_joined(out, get(value, "flags"), ",", PLAIN, 0);
    }
}

static void put_limit(struct buffer *out, const json_t *value)
{
    const char *unit = word(value, "rate_unit"), *burst = word(value, "burst_unit");
    bool bytes = *unit && strcmp(unit, "packets") != 0;

    put(out, "limit rate %s%lld%s%s/%s", json_is_true(get(value, "inv")) ? "over " : "",
        number(value, "rate"), bytes ? " " : "", bytes ? unit : "", word(value, "per"));
    if (bytes ? number(value, "burst") != 0 : number(value, "burst") != 5)
        put(out, " burst %lld %s", number(value, "burst"), *burst ? burst : "packets");
}

static void put_quota(struct buffer *out, const json_t *value)
{
    put(out, "quota %s%lld %s", json_is_true(get(value, "inv")) ? "over " : "",
        number(value, "val"), word(value, "val_unit"));
}

static void put_count(struct buffer *out, const json_t *value)
{
    put(out, "ct count %s%lld", json_is_true(get(value, "inv")) ? "over " : "",
        number(value, "val"));
}

static void put_mangle(struct buffer *out, const json_t *value)
{
    const json_t *key = get(value, "key");

    put_expr(out, key, PLAIN, 0);
    put(out, " set ");
    put_expr(out, get(value, "value"), style_of(key, 0), 0);
}

static void put_nat(struct buffer *out, const char *kind, const json_t *value)
{
    const json_t *address = get(value, "addr"), *port = get(value, "port");
    const char *family = word(value, "family");
    bool brackets = port && json_is_string(address) && strchr(json_string_value(address), ':');

    put(out, "%s", kind);
    if (*family)
        put(out, " %s", family);
    if (address || port)
        put(out, " to ");
    if (address) {
        put(out, brackets ? "[" : "");
        put_expr(out, address, PLAIN, 0);
        put(out, brackets ? "]" : "");
    }
    if (port) {
        put(out, ":");
        put_expr(out, port, PLAIN, 0);
    }
    if (get(value, "flags")) {
        put(out, " ");
        put_joined(out, get(value, "flags"), ",", PLAIN, 0);
    }
}

static void put_queue(struct buffer *out, const json_t *value)
{
    put(out, "queue");
    if (get(value, "flags")) {
        put(out, " flags ");
        put_joined(out, get(value, "flags"), ",", PLAIN, 0);
    }
    if (get(value, "num")) {
        put(out, " to ");
        put_expr(out, get(value, "num"), PLAIN, 0);
    }
}

static void put_statement(struct buffer *out, const json_t *json, unsigned depth);

static void put_update(struct buffer *out, const json_t *value, unsigned depth)
{
    put(out, "%s %s { ", word(value, "op"), word(value, "set"));
    put_expr(out, get(value, "elem"), PLAIN, 0);
    for (size_t i = 0; i < json_array_size(get(value, "stmt")); i++) {
        put(out, " ");
        put_statement(out, json_array_get(get(value, "stmt"), i), depth + 1);
    }
    put(out, " }");
}

static void put_counter(struct buffer *out, const json_t *value)
{
    put(out, "counter");
    if (json_is_string(value))
        put(out, " name \"%s\"", json_string_value(value));
}

static void put_extension(struct buffer *out, const json_t *value)
{
    put(out, "xt");
    if (get(value, "type"))
        put(out, " %s \"%s\"", word(value, "type"), word(value, "name"));
}

static void put_device(struct buffer *out, const char *kind, const json_t *value)
{
    put(out, "%s to ", kind);
    if (get(value, "addr")) {
        put_expr(out, get(value, "addr"), PLAIN, 0);
        put(out, get(value, "dev") ? " device " : "");
    }
    if (get(value, "dev"))
        put_expr(out, get(value, "dev"), QUOTED, 0);
}

static const struct {
    const char *kind;
    void (*put)(struct buffer *out, const json_t *value);
} statements[] = {
    {"match", put_match}, {"reject", put_reject},  {"log", put_log},       {"limit", put_limit},
    {"quota", put_quota}, {"ct count", put_count}, {"mangle", put_mangle}, {"counter", put_counter},
    {"queue", put_queue}, {"xt", put_extension},
};

static bool put_named(struct buffer *out, const char *kind, const json_t *value)
{
    static const char *const nat[] = {"dnat", "snat", "masquerade", "redirect"};

    for (size_t i = 0; i < ARRAY_SIZE(statements); i++)
        if (strcmp(kind, statements[i].kind) == 0 &&
            (json_is_object(value) || json_is_null(value) || strcmp(kind, "counter") == 0)) {
            statements[i].put(out, value);
            return true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(nat); i++)
        if (strcmp(kind, nat[i]) == 0) {
            put_nat(out, kind, value);
            return true;
        }
    if (strcmp(kind, "fwd") == 0 || strcmp(kind, "dup") == 0)
        return put_device(out, kind, value), true;
    return put_verdict(out, kind, value);
}

static void put_statement(struct buffer *out, const json_t *json, unsigned depth)
{
    const char *kind;
    const json_t *value = only(json, &kind);

    if (depth > DEPTH_MAX)
        put(out, "...");
    else if (strcmp(kind, "vmap") == 0)
        put_map(out, value, "vmap", 0);
    else if (strcmp(kind, "set") == 0)
        put_update(out, value, depth);
    else if (strcmp(kind, "notrack") == 0)
        put(out, "notrack");
    else if (json_is_string(value) && strcmp(kind, "ct helper") == 0)
        put(out, "ct helper set \"%s\"", json_string_value(value));
    else if (json_is_string(value) && (strcmp(kind, "limit") == 0 || strcmp(kind, "quota") == 0))
        put(out, "%s name \"%s\"", kind, json_string_value(value));
    else if (!put_named(out, kind, value))
        put_json(out, json);
}

char *ruleset_rule_text(const struct ruleset_rule *rule)
{
    struct buffer out = buffer_make(TEXT_MAX);

    if (!rule->json && rule->line)
        return mem_string(span_of(rule->line, strnlen(rule->line, TEXT_MAX)));
    for (size_t i = 0; i < json_array_size(rule->json); i++) {
        put(&out, "%s", i ? " " : "");
        put_statement(&out, json_array_get(rule->json, i), 0);
    }
    if (rule->comment)
        put(&out, "%scomment \"%s\"", out.len ? " " : "", rule->comment);
    char *text = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return text;
}
