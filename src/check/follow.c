/* Follows redirects, one after the other: where a browser ends up, within HOPS_MAX steps. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "check/internal.h"

enum { URL_MAX = 8 * 1024 /* bytes of a location once it is escaped */ };

static void step(struct check *check, const struct probe *answer);

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool has_scheme(struct span text)
{
    ptrdiff_t colon = span_find(text, ':');

    for (ptrdiff_t i = 0; i < colon; i++) {
        char c = ascii_lower(text.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || (i > 0 && ((c >= '0' && c <= '9') || strchr("+-.", c)))))
            return false;
    }
    return colon > 0;
}

/* Takes "." and ".." out of the path of a whole URL, as RFC 3986 section 5.2.4 has it. */
static void remove_dot_segments(char *url)
{
    char *authority = strstr(url, "://");
    char *path = authority ? strchr(authority + 3, '/') : NULL;

    if (!path || path > url + strcspn(url, "?#"))
        return;
    const char *in = path, *end = path + strcspn(path, "?#");
    char *out = path;
    while (in < end) {
        size_t len = 1 + strcspn(in + 1, "/?#"); /* "/segment" */
        bool last = in + len >= end;
        if (span_equal(span_of(in, len), SPAN("/.."))) {
            while (out > path && *--out != '/')
                continue;
            if (last)
                *out++ = '/';
        } else if (span_equal(span_of(in, len), SPAN("/."))) {
            if (last)
                *out++ = '/';
        } else {
            memmove(out, in, len);
            out += len;
        }
        in += len;
    }
    memmove(out, end, strlen(end) + 1);
}

/* Bytes that cannot stand in a request are escaped as browsers do: blanks and what is not ASCII,
 * but for the host, which IDNA turns into ASCII. @return for free() */
static char *escape_url(const char *url)
{
    const char *authority = strstr(url, "://");
    size_t plain = authority ? (size_t)(authority + 3 - url) : 0;
    struct buffer out = buffer_make(URL_MAX);
    int r = 0;

    plain += strcspn(url + plain, "/?#");
    for (size_t i = 0; url[i] && r >= 0; i++) {
        unsigned char c = (unsigned char)url[i];
        r = i >= plain && (c <= ' ' || c >= 0x7f) ? buffer_printf(&out, "%%%02X", c)
                                                  : buffer_append(&out, url + i, 1);
    }
    char *text = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return text;
}

/* The location as a whole URL. Relative paths are resolved at the last '/' of the path (RFC 3986
 * section 5.2.3). @return for free() */
static char *absolute_location(struct span said, const struct target *from, bool from_https)
{
    const char *scheme = from_https ? "https" : "http";
    scoped(mem_release) char *authority = target_authority(from, from_https ? TARGET_PORT : 80);
    struct span path = span_str(from->path);
    ptrdiff_t query = span_find(path, '?');

    if (span_starts(said, SPAN("//")))
        return mem_format("%s:%.*s", scheme, SPAN_ARGS(said));
    if (span_starts(said, SPAN("/")))
        return mem_format("%s://%s%.*s", scheme, authority, SPAN_ARGS(said));
    if (query >= 0)
        path.len = (size_t)query;
    if (!span_starts(said, SPAN("?")))
        path.len = (size_t)(span_find_last(path, '/') + 1);
    return mem_format("%s://%s%.*s%.*s", scheme, authority, SPAN_ARGS(path), SPAN_ARGS(said));
}

int follow_parse(const char *location, const struct target *from, bool from_https,
                 struct target *ret_target, bool *ret_https)
{
    struct span said = span_trim(span_str(location));
    scoped(mem_release) char *raw =
        has_scheme(said) ? mem_string(said) : absolute_location(said, from, from_https);
    remove_dot_segments(raw);
    scoped(mem_release) char *whole = escape_url(raw);
    struct span url = span_str(whole);
    struct diags diags = {0};

    bool https = url.len >= 8 && span_equal_nocase(span_of(url.ptr, 8), SPAN("https://"));
    bool http = url.len >= 7 && span_equal_nocase(span_of(url.ptr, 7), SPAN("http://"));
    if (!https && !http)
        return ERR_NOT_FOUND;
    int r = target_parse(whole, &diags, ret_target);
    diags_finish(&diags);
    if (r < 0)
        return r;
    struct span authority = span_from(url, https ? 8 : 7);
    size_t end = 0;
    while (end < authority.len && !strchr("/?#", authority.ptr[end]))
        end++;
    authority.len = end;
    ptrdiff_t bracket = span_find_last(authority, ']');
    if (http && span_find_last(authority, ':') <= bracket) /* without a port */
        ret_target->port = 80;
    if (ret_target->is_ip)
        address_set_port(&ret_target->ip, ret_target->port);
    *ret_https = https;
    return 0;
}

/* ---- the steps ---- */

static void on_hop_probe(struct probe *probe, void *context)
{
    step(context, probe);
}

static void probe_hop(struct check *check, struct hop *hop, const struct socket_address *address)
{
    struct probe_request request = {.loop = check->loop,
                                    .tls = hop->https ? check->tls : NULL,
                                    .address = *address,
                                    .server_name = hop->server_name,
                                    .authority = hop->authority,
                                    .path = hop->target.path,
                                    .cookie = hop->cookie,
                                    .last = PROBE_HTTP,
                                    .connect_patience = check->options->timeout / 4,
                                    .deadline = check->deadline};

    address_set_port(&request.address, hop->target.port);
    probe_start(&hop->probe, &request, on_hop_probe, check);
}

static void on_hop_addresses(struct names *names)
{
    struct hop *hop = container_of(names, struct hop, names);
    struct check *check = names->context;

    if (names->count == 0) {
        hop->refused = "its name has no address";
        check->hops_over = true;
        loop_hurry(check->loop);
        return;
    }
    /* IPv4 first: what is wrong with IPv6 here was said of the first host. */
    const struct socket_address *address = &names->addresses[0].address;
    for (size_t i = names->count; i > 0; i--)
        if (!address_is_ipv6(&names->addresses[i - 1].address))
            address = &names->addresses[i - 1].address;
    probe_hop(check, hop, address);
}

/* The same host needs no second look-up. */
static bool same_host(const struct check *check, const struct hop *hop)
{
    return strcmp(hop->target.host, check->options->target->host) == 0;
}

/* A check on behalf of somebody else stays with the port that was asked for, and plain HTTP's. */
static bool is_elsewhere(const struct check *check, const struct hop *hop)
{
    return check->options->stay &&
           (!same_host(check, hop) ||
            (hop->target.port != 80 && hop->target.port != check->options->target->port));
}

static void begin_hop(struct check *check, struct hop *hop)
{
    hop->server_name = hop->target.is_ip ? NULL : hop->target.host;
    hop->authority = target_authority(&hop->target, hop->https ? TARGET_PORT : 80);
    if (same_host(check, hop)) {
        probe_hop(check, hop, &check->first->address);
        return;
    }
    hop->has_names = true;
    hop->names = (struct names){.target = &hop->target,
                                .options = check->options->names,
                                .loop = check->loop,
                                .only_addresses = true,
                                .on_addresses = on_hop_addresses,
                                .context = check};
    names_start(&hop->names, check->deadline);
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

/* Has this very page been seen on the way, with the same cookies? */
static bool is_circle(const struct check *check, const struct hop *hop)
{
    const struct target *begin = check->options->target;

    if (!hop->cookie && hop->https && strcmp(hop->target.host, begin->host) == 0 &&
        hop->target.port == begin->port && strcmp(hop->target.path, begin->path) == 0)
        return true;
    for (size_t i = 0; i + 1 < check->hop_count; i++)
        if (check->hops[i].https == hop->https && check->hops[i].target.port == hop->target.port &&
            strcmp(check->hops[i].target.host, hop->target.host) == 0 &&
            strcmp(check->hops[i].target.path, hop->target.path) == 0 &&
            same_text(check->hops[i].cookie, hop->cookie))
            return true;
    return false;
}

static void step(struct check *check, const struct probe *answer)
{
    const struct hop *last = check->hop_count ? &check->hops[check->hop_count - 1] : NULL;
    const struct target *from = last ? &last->target : check->options->target;
    bool redirect = answer->end == PROBE_DONE && is_redirect(answer->status) && answer->location &&
                    *answer->location;

    loop_hurry(check->loop);
    check->hops_over = true;
    if (!redirect || check->hop_count > HOPS_MAX)
        return;
    cookies_take(&check->cookies, answer->cookies, from, check->options->wall / NSEC_PER_SEC);
    struct hop *hop = &check->hops[check->hop_count++];
    int r =
        follow_parse(answer->location, from, last ? last->https : true, &hop->target, &hop->https);
    if (r == 0)
        hop->cookie = cookies_send(&check->cookies, &hop->target, hop->https);
    if (r == ERR_NOT_FOUND)
        hop->refused = "it is no address of the web";
    else if (r < 0)
        hop->refused = "it is no valid address";
    else if ((hop->elsewhere = is_elsewhere(check, hop)))
        hop->refused = "it is another host or port, and this check is for one";
    else if (check->hop_count > HOPS_MAX)
        hop->refused = "more than five redirects follow each other";
    else if (is_circle(check, hop))
        hop->refused = "the redirects go in a circle";
    if (hop->refused)
        return;
    check->hops_over = false;
    begin_hop(check, hop);
}

void follow_start(struct check *check, const struct probe *answer)
{
    step(check, answer);
}

bool follow_done(const struct check *check)
{
    return check->hops_over ||
           !check->first; /* while no endpoint is open, there is nothing to follow */
}

void follow_finish(struct check *check)
{
    for (size_t i = 0; i < check->hop_count; i++) {
        struct hop *hop = &check->hops[i];
        probe_finish(&hop->probe);
        if (hop->has_names)
            names_finish(&hop->names);
        free(hop->authority);
        free(hop->cookie);
        target_finish(&hop->target);
    }
    cookies_finish(&check->cookies);
}
