/* Options become matches of the model, which knows their fields by nftables' names; targets become
 * verdicts and the like. */
#include "firewall/model/iptables_rule.h"

#include <stdio.h>
#include <stdlib.h>

#include "firewall/model/iptables_words.h"
#include "firewall/model/value.h"

enum { WORD_MAX = 512, STATEMENTS_MAX = 64 };

/* A rule that is being read. */
struct reading {
    struct ruleset_reader *reader;
    const struct ruleset_table *table;
    const char *at;  /* the words that remain */
    bool negated;    /* by a "!" before the option */
    char module[32]; /* of the last -m */
    struct statement statements[STATEMENTS_MAX];
    size_t count;
    struct statement target;
    bool has_target;
    const char *comment;
};

/* ---- making statements ---- */

static const char *keep(struct reading *r, struct span text)
{
    const char *copy = arena_copy(&r->reader->ruleset->arena, text);

    if (!copy)
        ruleset_fail(r->reader, ERR_LIMIT, "the rules take more than %d MiB of memory",
                     RULESET_MEMORY_MAX >> 20);
    return copy ? copy : "";
}

static struct expr *make(struct reading *r, struct expr value)
{
    struct expr *expr = ruleset_alloc(r->reader, 1, sizeof *expr);

    if (expr)
        *expr = value;
    return expr;
}

static void add(struct reading *r, struct statement statement)
{
    statement.family = -1;
    if (r->count < STATEMENTS_MAX)
        r->statements[r->count++] = statement;
    else /* a rule of iptables has a few dozen words */
        r->statements[STATEMENTS_MAX - 1] =
            (struct statement){.kind = STATEMENT_FOREIGN, .word = "a long rule", .family = -1};
}

static void add_unsure(struct reading *r, const char *word)
{
    add(r, (struct statement){
               .kind = STATEMENT_UNSURE, .word = keep(r, span_str(word)), .extension = true});
}

static void add_match(struct reading *r, struct expr left, enum match_op op, struct expr right)
{
    struct statement statement = {.kind = STATEMENT_MATCH, .op = op};

    if (r->negated && op == MATCH_ANY_BIT)
        statement.op = MATCH_NO_BIT;
    else if (r->negated)
        statement.op = MATCH_NOT_EQUAL;
    statement.left = make(r, left);
    statement.right = make(r, right);
    if (statement.left && statement.right)
        add(r, statement);
}

static struct expr payload(const char *protocol, const char *field)
{
    return (struct expr){.kind = EXPR_PAYLOAD, .word = protocol, .more = field};
}

static struct expr meta(const char *key)
{
    return (struct expr){.kind = EXPR_META, .word = key};
}

static struct expr ct(const char *key, const char *direction)
{
    return (struct expr){.kind = EXPR_CT, .word = key, .more = direction};
}

static struct expr word(struct reading *r, struct span text)
{
    return (struct expr){.kind = EXPR_WORD, .word = keep(r, text)};
}

static struct expr number(uint64_t value)
{
    return (struct expr){.kind = EXPR_NUMBER, .number = value};
}

static struct expr pair_of(struct reading *r, enum expr_kind kind, struct expr a, struct expr b)
{
    struct expr *items = ruleset_alloc(r->reader, 2, sizeof *items);

    if (!items)
        return number(0);
    items[0] = a;
    items[1] = b;
    return (struct expr){.kind = kind, .items = items, .count = 2};
}

static void add_never(struct reading *r)
{
    r->negated = false;
    add_match(r, number(0), MATCH_EQUAL, number(1));
}

/* ---- values ---- */

/* Decimal, or hexadecimal with 0x. */
static bool read_number(struct span text, uint64_t *ret_number)
{
    char copy[32], *end;

    if (text.len == 0 || text.len >= sizeof copy || text.ptr[0] == '-')
        return false;
    memcpy(copy, text.ptr, text.len);
    copy[text.len] = '\0';
    *ret_number = strtoull(copy, &end, 0);
    return *end == '\0';
}

/* "443", "80:90", ":90", "80:"; also "1000-2000" of other options. */
static bool read_range(struct reading *r, struct span text, uint64_t max, struct expr *ret_expr)
{
    ptrdiff_t mark = span_find(text, ':');
    uint64_t first = 0, last = max;

    mark = mark < 0 ? span_find(text, '-') : mark;
    struct span from = mark < 0 ? text : span_of(text.ptr, (size_t)mark);
    struct span to = mark < 0 ? text : span_from(text, (size_t)mark + 1);
    if ((from.len && !read_number(from, &first)) || (to.len && !read_number(to, &last)))
        return false;
    if (!from.len && !to.len)
        return false;
    *ret_expr = mark < 0 ? number(first) : pair_of(r, EXPR_RANGE, number(first), number(last));
    return true;
}

/* "22,80:90" */
static bool read_ports(struct reading *r, const char *list, struct expr *ret_expr)
{
    struct span rest = span_str(list), part;
    struct expr *items = ruleset_alloc(r->reader, 16, sizeof *items);
    size_t count = 0;

    while (items && span_next(&rest, ',', &part)) {
        if (count == 16 || !read_range(r, part, UINT16_MAX, &items[count]))
            return false;
        count++;
    }
    if (!count)
        return false;
    *ret_expr =
        count == 1 ? items[0] : (struct expr){.kind = EXPR_SET, .items = items, .count = count};
    return true;
}

/* "192.0.2.0/24" as nftables' prefix; "10.0.0.1/255.0.255.0" by its mask. */
static void match_network(struct reading *r, const char *field, const char *text)
{
    struct span all = span_str(text), rest = all, address;
    struct expr left = payload(ruleset_family_name(r->table->family), field);
    uint64_t bits = r->table->family == RULESET_IP ? 32 : 128;
    struct expr *item;

    span_next(&rest, '/', &address);
    bool mask = address.len < all.len && (span_find(rest, '.') >= 0 || span_find(rest, ':') >= 0);
    if (address.len < all.len && !mask && (span_to_uint(rest, &bits) < 0 || bits > 128)) {
        add_unsure(r, text);
        return;
    }
    item = make(r, word(r, address));
    if (!item)
        return;
    if (mask)
        add_match(r, pair_of(r, EXPR_AND, left, word(r, rest)), MATCH_EQUAL, *item);
    else if (bits)
        add_match(r, left, MATCH_EQUAL,
                  (struct expr){.kind = EXPR_PREFIX, .items = item, .count = 1, .number = bits});
    else if (r->negated) /* not from anywhere */
        add_never(r);
}

static void match_interface(struct reading *r, const char *key, const char *name)
{
    struct span text = span_str(name);
    char pattern[WORD_MAX];

    if (text.len == 0 || span_equal(text, SPAN("+")))
        return;
    if (text.len > sizeof pattern) /* no interface has such a name */
        text.len = sizeof pattern;
    memcpy(pattern, text.ptr, text.len);
    if (pattern[text.len - 1] == '+')
        pattern[text.len - 1] = '*';
    add_match(r, meta(key), MATCH_EQUAL, word(r, span_of(pattern, text.len)));
}

/* ---- matches ---- */

static void match_protocol(struct reading *r, const char *value)
{
    uint64_t n;

    if (strcmp(value, "all") == 0 || strcmp(value, "0") == 0)
        return;
    if (read_number(span_str(value), &n))
        add_match(r, meta("l4proto"), MATCH_EQUAL, number(n));
    else
        add_match(r, meta("l4proto"), MATCH_EQUAL, word(r, span_str(value)));
}

/* The names of a list that `names` has, each a bit.
 * @return false for a name that is not there */
static bool read_bits(const char *list, const char *const *names, size_t count, uint64_t *ret_bits)
{
    struct span rest = span_str(list), part;

    *ret_bits = 0;
    while (span_next(&rest, ',', &part)) {
        size_t i = 0;
        while (i < count && !(names[i] && span_equal_nocase(part, span_str(names[i]))))
            i++;
        if (i == count)
            return false;
        *ret_bits |= (uint64_t)1 << i;
    }
    return true;
}

/* As the kernel's xt_conntrack matches: the states of conntrack, and above them whether addresses
 * were translated. */
static void match_state(struct reading *r, const char *list)
{
    static const char *const names[] = {"INVALID", "ESTABLISHED", "RELATED", "NEW", NULL,
                                        NULL,      "UNTRACKED",   NULL,      NULL,  NULL,
                                        NULL,      NULL,          "SNAT",    "DNAT"};
    uint64_t bits;

    if (read_bits(list, names, ARRAY_SIZE(names), &bits))
        add_match(r, ct("state or status", NULL), MATCH_ANY_BIT, number(bits));
    else
        add_unsure(r, "conntrack");
}

static void match_status(struct reading *r, const char *list)
{
    static const char *const names[] = {"EXPECTED", "SEEN_REPLY", "ASSURED", "CONFIRMED"};
    uint64_t bits;

    if (read_bits(list, names, ARRAY_SIZE(names), &bits))
        add_match(r, ct("status", NULL), MATCH_ANY_BIT, number(bits));
    else
        add_unsure(r, "conntrack");
}

static void match_tcp_flags(struct reading *r, const char *value)
{
    static const char *const names[] = {"FIN", "SYN", "RST", "PSH", "ACK", "URG"};
    char wanted[WORD_MAX] = "";
    uint64_t mask = 0x3f, set = 0;
    bool read = iptables_next_word(&r->at, wanted, sizeof wanted);

    if (strcmp(value, "ALL") != 0)
        read = read && read_bits(value, names, ARRAY_SIZE(names), &mask);
    if (strcmp(wanted, "NONE") == 0)
        set = 0;
    else if (strcmp(wanted, "ALL") == 0)
        set = 0x3f;
    else
        read = read && read_bits(wanted, names, ARRAY_SIZE(names), &set);
    if (read)
        add_match(r, pair_of(r, EXPR_AND, payload("tcp", "flags"), number(mask)), MATCH_EQUAL,
                  number(set));
    else
        add_unsure(r, "tcp flags");
}

static void match_ports(struct reading *r, struct expr left, const char *value)
{
    struct expr ports;

    if (read_ports(r, value, &ports))
        add_match(r, left, MATCH_EQUAL, ports);
    else
        add_unsure(r, "ports");
}

/* "0x1/0xff" of the packet or of its connection. */
static void match_mark(struct reading *r, const char *value)
{
    bool connection = strcmp(r->module, "connmark") == 0;
    struct span rest = span_str(value), part;
    struct expr left = connection ? ct("mark", NULL) : meta("mark");
    uint64_t mark, mask = UINT32_MAX;

    span_next(&rest, '/', &part);
    if (!read_number(part, &mark) || (rest.ptr && rest.len && !read_number(rest, &mask)))
        add_unsure(r, "mark");
    else
        add_match(r, mask == UINT32_MAX ? left : pair_of(r, EXPR_AND, left, number(mask)),
                  MATCH_EQUAL, number(mark));
}

static void match_destination_type(struct reading *r, const char *value)
{
    struct expr flag = {.kind = EXPR_WORD, .word = "daddr"};
    struct expr fib = {.kind = EXPR_FIB, .word = "type", .items = make(r, flag), .count = 1};
    struct expr *items = ruleset_alloc(r->reader, 12, sizeof *items);
    struct span rest = span_str(value), part;
    size_t count = 0;

    while (items && count < 12 && span_next(&rest, ',', &part)) {
        char lower[WORD_MAX];
        snprintf(lower, sizeof lower, "%.*s", SPAN_ARGS(part));
        for (char *at = lower; *at; at++)
            *at = (char)(*at >= 'A' && *at <= 'Z' ? *at + 'a' - 'A' : *at);
        items[count++] = word(r, span_str(lower));
    }
    if (items && fib.items)
        add_match(r, fib, MATCH_EQUAL,
                  (struct expr){.kind = EXPR_SET, .items = items, .count = count});
}

static void match_user(struct reading *r, const char *value)
{
    struct expr user;

    if (read_range(r, span_str(value), UINT32_MAX, &user))
        add_match(r, meta("skuid"), MATCH_EQUAL, user);
    else
        add_unsure(r, "owner");
}

static void match_range(struct reading *r, const char *field, const char *value)
{
    struct span rest = span_str(value), first;

    span_next(&rest, '-', &first);
    add_match(r, payload(ruleset_family_name(r->table->family), field), MATCH_EQUAL,
              pair_of(r, EXPR_RANGE, word(r, first), word(r, rest.len ? rest : first)));
}

static void match_packet_type(struct reading *r, const char *value)
{
    add_match(r, meta("pkttype"), MATCH_EQUAL,
              word(r, span_str(strcmp(value, "unicast") == 0 ? "host" : value)));
}

static void match_direction(struct reading *r, const char *value)
{
    add_match(r, ct("direction", NULL), MATCH_EQUAL, number(strcmp(value, "REPLY") == 0));
}

static void match_source(struct reading *r, const char *value)
{
    match_network(r, "saddr", value);
}

static void match_destination(struct reading *r, const char *value)
{
    match_network(r, "daddr", value);
}

static void match_in(struct reading *r, const char *value)
{
    match_interface(r, "iifname", value);
}

static void match_out(struct reading *r, const char *value)
{
    match_interface(r, "oifname", value);
}

static void match_dport(struct reading *r, const char *value)
{
    match_ports(r, payload("th", "dport"), value);
}

static void match_sport(struct reading *r, const char *value)
{
    match_ports(r, payload("th", "sport"), value);
}

static void match_original_port(struct reading *r, const char *value)
{
    match_ports(r, ct("proto-dst", "original"), value);
}

static void match_source_range(struct reading *r, const char *value)
{
    match_range(r, "saddr", value);
}

static void match_destination_range(struct reading *r, const char *value)
{
    match_range(r, "daddr", value);
}

static void note_comment(struct reading *r, const char *value)
{
    r->comment = keep(r, span_str(value));
}

static void note_module(struct reading *r, const char *value)
{
    snprintf(r->module, sizeof r->module, "%.31s", value);
}

static const struct {
    const char *name;
    void (*read)(struct reading *r, const char *value);
} matches[] = {
    {"-p", match_protocol},
    {"-s", match_source},
    {"-d", match_destination},
    {"-i", match_in},
    {"-o", match_out},
    {"-m", note_module},
    {"--comment", note_comment},
    {"--dport", match_dport},
    {"--dports", match_dport},
    {"--sport", match_sport},
    {"--sports", match_sport},
    {"--tcp-flags", match_tcp_flags},
    {"--ctstate", match_state},
    {"--state", match_state},
    {"--ctstatus", match_status},
    {"--ctdir", match_direction},
    {"--ctorigdstport", match_original_port},
    {"--dst-type", match_destination_type},
    {"--mark", match_mark},
    {"--uid-owner", match_user},
    {"--src-range", match_source_range},
    {"--dst-range", match_destination_range},
    {"--pkt-type", match_packet_type},
};

/* Modules all of whose options are in the list. */
static bool is_known_module(const char *name)
{
    static const char *const known[] = {"tcp",       "udp",      "comment", "conntrack", "state",
                                        "multiport", "addrtype", "mark",    "connmark",  "owner",
                                        "iprange",   "pkttype",  "icmp",    "icmp6"};

    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(name, known[i]) == 0)
            return true;
    return false;
}

/* Modules for headers that the first packet of a TCP or UDP connection does not have. */
static bool is_absent_header(const char *name)
{
    static const char *const absent[] = {"rt", "frag", "dst",  "hbh",  "mh",
                                         "ah", "esp",  "sctp", "dccp", "ipcomp"};

    for (size_t i = 0; i < ARRAY_SIZE(absent); i++)
        if (strcmp(name, absent[i]) == 0)
            return true;
    return false;
}

/* ---- targets ---- */

static void set_target(struct reading *r, struct statement statement)
{
    statement.family = -1;
    r->target = statement;
    r->has_target = true;
}

static void target_verdict(struct reading *r, enum rule_verdict verdict, const char *chain)
{
    struct expr expr = {.kind = EXPR_VERDICT, .number = verdict, .word = chain};

    set_target(r, (struct statement){.kind = STATEMENT_VERDICT, .left = make(r, expr)});
}

/* "172.17.0.2:8443", "[fd00::2]:8443", each part of which may be missing or a range. */
static void read_destination(struct reading *r, const char *value)
{
    struct span to = span_str(value);
    ptrdiff_t colon = span_find_last(to, ':');
    bool bracketed = to.len && to.ptr[0] == '[';
    struct expr port;

    if (colon >= 0 && (span_find(to, ':') == colon || bracketed) &&
        (!bracketed || to.ptr[colon - 1] == ']')) {
        struct span text = span_from(to, (size_t)colon + 1);
        if (read_range(r, text, UINT16_MAX, &port) && port.kind == EXPR_NUMBER)
            r->target.right = make(r, port);
        to.len = (size_t)colon;
    }
    if (to.len > 2 && bracketed)
        to = span_of(to.ptr + 1, to.len - 2);
    if (to.len)
        r->target.left = make(r, word(r, to));
}

/* new = (old & ~mask) ^ value */
static void read_mark_value(struct reading *r, const char *value)
{
    struct span rest = span_str(value), part;
    bool connection = r->target.word && strcmp(r->target.word, "CONNMARK") == 0;
    struct expr place = connection ? ct("mark", NULL) : meta("mark");
    uint64_t mark, mask = UINT32_MAX;

    span_next(&rest, '/', &part);
    if (!read_number(part, &mark) || (rest.ptr && rest.len && !read_number(rest, &mask)))
        return; /* it stays one that may do anything */
    struct expr kept = pair_of(r, EXPR_AND, place, number(~mask & UINT32_MAX));
    set_target(r, (struct statement){.kind = STATEMENT_MANGLE,
                                     .left = make(r, place),
                                     .right = make(r, pair_of(r, EXPR_XOR, kept, number(mark)))});
}

static void copy_mark(struct reading *r, bool save)
{
    set_target(r, (struct statement){.kind = STATEMENT_MANGLE,
                                     .left = make(r, save ? ct("mark", NULL) : meta("mark")),
                                     .right = make(r, save ? meta("mark") : ct("mark", NULL))});
}

static const struct {
    const char *name;
    enum statement_kind kind;
} targets[] = {
    {"REJECT", STATEMENT_REJECT},     {"QUEUE", STATEMENT_QUEUE},
    {"NFQUEUE", STATEMENT_QUEUE},     {"DNAT", STATEMENT_DNAT},
    {"REDIRECT", STATEMENT_REDIRECT}, {"SNAT", STATEMENT_SNAT},
    {"MASQUERADE", STATEMENT_SNAT},   {"NOTRACK", STATEMENT_NOTRACK},
    {"SYNPROXY", STATEMENT_TAKEN},    {"TPROXY", STATEMENT_TAKEN},
    {"CT", STATEMENT_QUIET},          {"LOG", STATEMENT_QUIET},
    {"NFLOG", STATEMENT_QUIET},       {"ULOG", STATEMENT_QUIET},
    {"TCPMSS", STATEMENT_QUIET},      {"TRACE", STATEMENT_QUIET},
    {"CHECKSUM", STATEMENT_QUIET},    {"CLASSIFY", STATEMENT_QUIET},
    {"DSCP", STATEMENT_QUIET},        {"TOS", STATEMENT_QUIET},
    {"TTL", STATEMENT_QUIET},         {"HL", STATEMENT_QUIET},
    {"AUDIT", STATEMENT_QUIET},       {"TCPOPTSTRIP", STATEMENT_QUIET},
    {"SET", STATEMENT_QUIET},         {"TEE", STATEMENT_QUIET},
};

static void read_target(struct reading *r, const char *name, bool jump)
{
    static const char *const verdicts[] = {[VERDICT_ACCEPT] = "ACCEPT",
                                           [VERDICT_DROP] = "DROP",
                                           [VERDICT_CONTINUE] = "CONTINUE",
                                           [VERDICT_RETURN] = "RETURN"};
    const struct ruleset_chain *chain = ruleset_chain_find(r->reader->ruleset, r->table, name);

    if (chain) {
        target_verdict(r, jump ? VERDICT_JUMP : VERDICT_GOTO, chain->name);
        return;
    }
    for (size_t i = 0; i < ARRAY_SIZE(verdicts); i++)
        if (strcmp(name, verdicts[i]) == 0) {
            target_verdict(r, (enum rule_verdict)i, NULL);
            return;
        }
    struct statement target = {
        .kind = STATEMENT_FOREIGN, .word = keep(r, span_str(name)), .extension = true};
    for (size_t i = 0; i < ARRAY_SIZE(targets); i++)
        if (strcmp(name, targets[i].name) == 0)
            target.kind = targets[i].kind;
    if (target.kind == STATEMENT_REJECT)
        target.word = "";
    target.extension = target.kind == STATEMENT_FOREIGN;
    set_target(r, target);
}

static void read_jump(struct reading *r, const char *value)
{
    read_target(r, value, true);
}

static void read_goto(struct reading *r, const char *value)
{
    read_target(r, value, false);
}

static void read_reject_with(struct reading *r, const char *value)
{
    r->target.word = strcmp(value, "tcp-reset") == 0 ? "tcp reset" : "";
}

static void read_redirect_port(struct reading *r, const char *value)
{
    struct expr port;

    if (read_range(r, span_str(value), UINT16_MAX, &port))
        r->target.right = make(r, port);
}

/* Saving or restoring a part of a mark. */
static void read_mark_mask(struct reading *r, const char *value)
{
    uint64_t mask;

    if (!read_number(span_str(value), &mask) || mask != UINT32_MAX)
        set_target(r, (struct statement){
                          .kind = STATEMENT_FOREIGN, .word = "CONNMARK", .extension = true});
}

static const struct {
    const char *name;
    void (*read)(struct reading *r, const char *value);
} target_options[] = {
    {"-j", read_jump},
    {"-g", read_goto},
    {"--reject-with", read_reject_with},
    {"--to-destination", read_destination},
    {"--to-ports", read_redirect_port},
    {"--set-xmark", read_mark_value},
    {"--nfmask", read_mark_mask},
    {"--ctmask", read_mark_mask},
};

/* ---- options ---- */

/* An option's value, unless another option follows. */
static void take_value(struct reading *r, char *value, size_t size)
{
    const char *after = r->at;

    if (iptables_next_word(&after, value, size) && *value != '!' &&
        (*value != '-' || strchr("0123456789", value[1] ? value[1] : 'x')))
        r->at = after;
    else
        *value = '\0';
}

/* @return false for an option of a target that changes what it does in a way not known here */
static bool read_option(struct reading *r, const char *option)
{
    char value[WORD_MAX] = "";

    if (strcmp(option, "-f") == 0) { /* the first packet of a connection is whole */
        if (!r->negated)
            add_never(r);
        return true;
    }
    if (strcmp(option, "--notrack") == 0) {
        r->target.kind = STATEMENT_NOTRACK;
        return true;
    }
    if (strcmp(option, "--save-mark") == 0 || strcmp(option, "--restore-mark") == 0) {
        copy_mark(r, option[2] == 's');
        return true;
    }
    take_value(r, value, sizeof value);
    for (size_t i = 0; i < ARRAY_SIZE(target_options); i++)
        if (strcmp(option, target_options[i].name) == 0) {
            target_options[i].read(r, value);
            return true;
        }
    for (size_t i = 0; i < ARRAY_SIZE(matches) && !r->has_target; i++)
        if (strcmp(option, matches[i].name) == 0) {
            matches[i].read(r, value);
            return true;
        }
    return false;
}

static void read_words(struct reading *r)
{
    char option[WORD_MAX];
    bool doubted = false; /* once a module */

    while (iptables_next_word(&r->at, option, sizeof option)) {
        r->negated = strcmp(option, "!") == 0;
        if (r->negated && !iptables_next_word(&r->at, option, sizeof option))
            break;
        if (*option != '-')
            continue; /* a further value of an option that is not known */
        bool known = read_option(r, option);
        if (strcmp(option, "-m") == 0) {
            doubted = !is_known_module(r->module);
            if (is_absent_header(r->module))
                add_never(r);
            else if (doubted)
                add_unsure(r, r->module);
        } else if (!known && !r->has_target && !doubted) {
            add_unsure(r, *r->module ? r->module : option);
            doubted = true;
        }
    }
}

void iptables_rule_read(struct ruleset_reader *reader, const struct ruleset_table *table,
                        const char *words, struct ruleset_rule *rule)
{
    struct reading reading = {.reader = reader, .table = table, .at = words};

    read_words(&reading);
    if (reading.has_target)
        add(&reading, reading.target);
    rule->comment = reading.comment;
    rule->statements =
        reading.count ? ruleset_alloc(reader, reading.count, sizeof *rule->statements) : NULL;
    rule->count = rule->statements ? reading.count : 0;
    if (rule->count)
        memcpy(rule->statements, reading.statements, rule->count * sizeof *rule->statements);
}
