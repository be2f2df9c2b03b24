/* What rows cannot say: names that two sites claim, addresses that do not fit together, fields that
 * cannot be sent. What a site answers is settings_check_site.c's; certificates are judged where
 * they are prepared (prepare.c). */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/settings.h"
#include "app/settings_acme.h"
#include "app/settings_check.h"
#include "app/upstreams.h"
#include "base/error.h"
#include "base/map.h"
#include "base/mem.h"
#include "os/process.h"
#include "os/socket.h"
#include "router/router.h"

/* ---- names ---- */

static const char *label_wrong(struct span label)
{
    if (label.len == 0)
        return "is not a host name: a label between its dots is empty";
    if (label.len > 63)
        return "is not a host name: a label is longer than 63 characters";
    for (size_t i = 0; i < label.len; i++) {
        char c = ascii_lower(label.ptr[i]);
        bool inner = i > 0 && i + 1 < label.len;
        if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_' || (c == '-' && inner))
            continue;
        if ((unsigned char)c >= 0x80)
            return "is not an international host name: a character in it may not stand in one";
        return "is not a valid host name: letters, digits and inner hyphens make up its labels";
    }
    return NULL;
}

static bool is_address(const char *name)
{
    struct in6_addr room;
    return inet_pton(AF_INET, name, &room) == 1 || inet_pton(AF_INET6, name, &room) == 1;
}

const char *settings_name_wrong(const char *name)
{
    struct span rest = span_str(name), label, last = {NULL, 0};
    bool wildcard = span_starts(rest, SPAN("*."));
    size_t labels = 0;

    if (is_address(name))
        return NULL;
    if (rest.len > 253)
        return "is longer than the 253 characters of a host name";
    if (span_starts(rest, SPAN("[")) && span_ends(rest, SPAN("]")))
        return "is not a name: write an IPv6 address without brackets here, such as ::1";
    if (wildcard)
        rest = span_from(rest, 2);
    if (span_find(rest, '/') >= 0 || span_find(rest, ':') >= 0)
        return "is not a host name: write it without a scheme, port or path";
    if (span_find(rest, '*') >= 0)
        return "is not a host name: a wildcard is the whole first label, as in *.example.com";
    if (rest.len == 0)
        return "is not a host name: it is empty";
    if (rest.ptr[rest.len - 1] == '.')
        rest.len--;
    for (; span_next(&rest, '.', &label); labels++) {
        const char *wrong = label_wrong(label);
        if (wrong)
            return wrong;
        last = label;
    }
    if (strspn(last.ptr, "0123456789") >= last.len)
        return "is not a host name: its last label has only digits, and it is no IP address";
    return wildcard && labels < 2 ? "covers a whole top-level domain, which no browser accepts"
                                  : NULL;
}

int settings_waf_mode(const struct settings *settings, const struct settings_site *site)
{
    int mode = site ? site->protect.waf : WAF_MODE_INHERIT;

    if (mode == WAF_MODE_INHERIT)
        mode = settings->protect.waf;
    return mode == WAF_MODE_INHERIT ? WAF_MODE_OFF : mode;
}

bool settings_use_waf(const struct settings *settings)
{
    for (size_t i = 0; i < settings->sites.count; i++)
        if (settings_waf_mode(settings, &settings_sites(settings)[i]) != WAF_MODE_OFF)
            return true;
    return false;
}

bool settings_name_is_local(const char *name)
{
    struct span s = span_str(name);
    return span_equal(s, SPAN("localhost")) || span_ends(s, SPAN(".localhost")) || is_address(name);
}

/* Where the other site has the name: "gardien.yaml:12". @return for free() */
static char *place_of_name(const struct check *check, const struct settings_site *site,
                           const char *name)
{
    char path[64];
    size_t at = 0;

    while (strcmp(site->names.items[at], name) != 0)
        at++;
    snprintf(path, sizeof path, "sites[%zu].names[%zu]",
             (size_t)(site - settings_sites(check->settings)), at);
    return config_place(check->tree, path);
}

static void complain_name_of_two(const struct check *check, const char *path, const char *name,
                                 const struct settings_site *other)
{
    scoped(mem_release) char *place = place_of_name(check, other, name);

    diag_hint(config_complain(check->tree, check->diags, path,
                              "\"%s\" belongs to the site \"%s\" already", name,
                              other->names.items[0]),
              "leave it to one of the two: the other is in %s", place);
}

static void check_name(const struct check *check, struct map *seen, size_t site, size_t at)
{
    const char *name = settings_sites(check->settings)[site].names.items[at];
    const char *wrong = settings_name_wrong(name);
    char path[64];

    snprintf(path, sizeof path, "sites[%zu].names[%zu]", site, at);
    if (wrong) {
        diag_hint(config_complain(check->tree, check->diags, path, "\"%s\" %s", name, wrong),
                  "a host name looks like www.example.com, or *.example.com for all below it");
        return;
    }
    const struct settings_site *other = map_get(seen, span_str(name));
    if (other == &settings_sites(check->settings)[site])
        config_complain(check->tree, check->diags, path, "\"%s\" is named twice", name);
    else if (other)
        complain_name_of_two(check, path, name, other);
    else
        map_set(seen, span_str(name), &settings_sites(check->settings)[site]);
}

static void check_names(const struct check *check)
{
    const struct settings_site *sites = settings_sites(check->settings);
    /* Names come from the machine's owner: nobody chooses them to collide. */
    static const uint64_t secret[2] = {1, 2};
    struct map seen;
    int first_default = -1;
    char path[64];

    map_init(&seen, secret);
    for (size_t i = 0; i < check->settings->sites.count; i++) {
        for (size_t n = 0; n < sites[i].names.count; n++)
            check_name(check, &seen, i, n);
        if (!sites[i].is_default)
            continue;
        snprintf(path, sizeof path, "sites[%zu].default", i);
        if (first_default >= 0)
            config_complain(check->tree, check->diags, path,
                            "only one site can be the default, and \"%s\" is",
                            sites[first_default].names.items[0]);
        else
            first_default = (int)i;
    }
    map_finish(&seen);
}

/* ---- addresses ---- */

static bool find_address(const struct config_strings *list, size_t count, const char *text)
{
    struct socket_address wanted, other;

    if (socket_address_parse(text, &wanted) < 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if (socket_address_parse(list->items[i], &other) == 0 &&
            socket_address_equal(&wanted, &other))
            return true;
    return false;
}

/* The first `count` of a list that leaves this address no connections of its own, or NULL. */
static const char *overlapping(const struct config_strings *list, size_t count, const char *text)
{
    struct socket_address wanted, other;

    if (socket_address_parse(text, &wanted) < 0)
        return NULL;
    for (size_t i = 0; i < count; i++)
        if (socket_address_parse(list->items[i], &other) == 0 &&
            socket_address_overlaps(&wanted, &other))
            return list->items[i];
    return NULL;
}

static void check_address(const struct check *check, bool secure, size_t at)
{
    const struct settings_listen *listen = &check->settings->listen;
    const struct config_strings *list = secure ? &listen->https : &listen->http;
    const char *text = list->items[at];
    const char *own = overlapping(list, at, text);
    const char *other = secure ? NULL : overlapping(&listen->https, listen->https.count, text);
    char path[64];

    snprintf(path, sizeof path, "listen.%s[%zu]", secure ? "https" : "http", at);
    if (own && find_address(list, at, text))
        config_complain(check->tree, check->diags, path, "\"%s\" stands there twice", text);
    else if (own)
        diag_hint(config_complain(check->tree, check->diags, path,
                                  "\"%s\" and \"%s\" take the same connections", text, own),
                  "keep one of the two, or give them different ports");
    if (other && find_address(&listen->https, listen->https.count, text))
        config_complain(check->tree, check->diags, path, "\"%s\" is an address for HTTPS already",
                        text);
    else if (other)
        diag_hint(config_complain(check->tree, check->diags, path,
                                  "\"%s\" takes connections that \"%s\" takes for HTTPS", text,
                                  other),
                  "give plain HTTP another port");
}

static void check_addresses(const struct check *check)
{
    const struct settings_listen *listen = &check->settings->listen;
    const struct settings_proxy_protocol *proxy = &listen->proxy_protocol;
    char path[64];

    for (size_t i = 0; i < listen->https.count; i++)
        check_address(check, true, i);
    for (size_t i = 0; i < listen->http.count; i++)
        check_address(check, false, i);
    for (size_t i = 0; i < proxy->on.count; i++)
        if (!find_address(&listen->https, listen->https.count, proxy->on.items[i]) &&
            !find_address(&listen->http, listen->http.count, proxy->on.items[i])) {
            snprintf(path, sizeof path, "listen.proxy_protocol.on[%zu]", i);
            config_complain(check->tree, check->diags, path,
                            "\"%s\" is none of the addresses that `listen` names",
                            proxy->on.items[i]);
        }
    if (!HAVE_HTTP3 && listen->http3 == HTTP3_ON)
        diag_hint(config_complain(check->tree, check->diags, "listen.http3",
                                  "this program was built without HTTP/3's libraries"),
                  "leave it out, or build it where libngtcp2 and libnghttp3 are installed");
    if (proxy->on.count && !proxy->from.count)
        diag_hint(config_complain(check->tree, check->diags, "listen.proxy_protocol",
                                  "nobody may speak the PROXY protocol, so no connection would do"),
                  "name the load balancers in `from`");
}

/* ---- fields ---- */

static bool is_token(const char *text)
{
    static const char allowed[] = "!#$%&'*+-.^_`|~0123456789"
                                  "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
    return text[0] && text[strspn(text, allowed)] == '\0';
}

/* RFC 9110 section 5.5: no control bytes; and none of what frames the message. */
static const char *field_wrong(const char *name, const char *value)
{
    static const char *const framing[] = {"Connection", "Content-Length", "Transfer-Encoding",
                                          "Trailer",    "Upgrade",        "Keep-Alive"};

    if (!is_token(name))
        return "is not the name of a header field";
    for (size_t i = 0; i < ARRAY_SIZE(framing); i++)
        if (span_equal_nocase(span_str(name), span_str(framing[i])))
            return "is a field that the server itself must set";
    for (const char *c = value; c && *c; c++)
        if (((unsigned char)*c < 0x20 && *c != '\t') || *c == 0x7f)
            return "has a value with a control character, such as the end of a line";
    return NULL;
}

static void check_pairs(const struct check *check, const char *base, const struct config_pairs *map)
{
    char path[256];

    for (size_t i = 0; i < map->count; i++) {
        const char *wrong = field_wrong(map->items[i].key, map->items[i].value);
        if (!wrong)
            continue;
        snprintf(path, sizeof path, "%s.%s", base, map->items[i].key);
        config_complain(check->tree, check->diags, path, "\"%s\" %s", map->items[i].key, wrong);
    }
}

void check_headers(const struct check *check, const char *base,
                   const struct settings_headers *headers)
{
    char path[128];

    snprintf(path, sizeof path, "%s.set", base);
    check_pairs(check, path, &headers->set);
    snprintf(path, sizeof path, "%s.add", base);
    check_pairs(check, path, &headers->add);
    for (size_t i = 0; i < headers->remove.count; i++) {
        const char *wrong = field_wrong(headers->remove.items[i], NULL);
        if (!wrong)
            continue;
        snprintf(path, sizeof path, "%s.remove[%zu]", base, i);
        config_complain(check->tree, check->diags, path, "\"%s\" %s", headers->remove.items[i],
                        wrong);
    }
}

/* ---- the account ---- */

const char *settings_account(const struct settings *settings)
{
    if (geteuid() != 0)
        return NULL;
    if (settings->user)
        return settings->user;
    if (process_has_one_user())
        return NULL;
    return process_user_exists("gardien")  ? "gardien"
           : process_user_exists("nobody") ? "nobody"
                                           : "65534";
}

/* Processes that meet peers must be somebody else than root. */
static void check_account(const struct check *check)
{
    const char *user = settings_account(check->settings), *given = check->settings->user;
    uid_t uid = 1;
    gid_t gid;

    if (given && process_user_find(given, &uid, &gid) < 0) {
        diag_hint(
            config_complain(check->tree, check->diags, "user", "there is no account \"%s\"", given),
            "make it: useradd --system --no-create-home %s", given);
    } else if (given && uid == 0) {
        diag_hint(config_complain(check->tree, check->diags, "user",
                                  "the account %s is root: workers give all its rights up", given),
                  "name another one, or leave `user` out");
    } else if (user && process_may_become_others() < 0) {
        diag_hint(config_complain(check->tree, check->diags, "user",
                                  "gardien runs as root but may not become another user (%s): it "
                                  "lacks CAP_SETUID or CAP_SETGID",
                                  user),
                  "give it both capabilities, as with --cap-add SETUID --cap-add SETGID, or start "
                  "it as an ordinary user, as with --user 1000");
    }
}

/* clamd's address, and room for what it looks at: a body is held, and collected for it. */
static void check_clamd(const struct check *check)
{
    const struct clamd_settings *clamd = &check->settings->protect.clamd;
    int64_t room = check->settings->limits.connection_memory;
    struct upstream_address address;

    const char *wrong = upstream_address_parse(clamd->address, &address);
    if (!wrong && address.secure)
        wrong = "is HTTPS, which clamd does not speak";
    if (wrong)
        config_complain(check->tree, check->diags, "protect.clamd.address", "\"%s\" %s",
                        clamd->address, wrong);
    if (upstreams_scan(check->settings) && room && 2 * clamd->size + (1 << 20) > room)
        diag_hint(config_complain(check->tree, check->diags, "protect.clamd.size",
                                  "bodies of that size do not fit limits.connection_memory (%lld)",
                                  (long long)room),
                  "make `limits.connection_memory` twice the size and 1 MiB, and `worker_memory` "
                  "larger than that");
}

void settings_check(const struct config_tree *tree, const struct settings *settings,
                    struct diags *diags)
{
    const struct check check = {tree, settings, diags};
    size_t before = diags->errors;

    check_names(&check);
    check_addresses(&check);
    check_headers(&check, "headers", &settings->headers);
    check_groups(&check);
    check_clamd(&check);
    for (size_t i = 0; i < settings->sites.count; i++)
        check_site(&check, i);
    if (settings->listen.https.count + settings->listen.http.count == 0 && before == 0)
        config_complain(tree, diags, "listen", "there is no address to listen on");
    settings_check_acme(tree, settings, diags);
    if (settings->firewall.router && !router_available())
        diag_hint(config_complain(tree, diags, "firewall.router",
                                  "this gardien is built without NAT-PMP and UPnP"),
                  "build it with libnatpmp or libminiupnpc, or forward the ports in the router's "
                  "settings and leave this off");
    check_account(&check);
}
