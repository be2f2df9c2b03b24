/* A small cookie jar. Public suffixes are not known: a Domain without a dot is refused, which is
 * what matters for a check of a site by its own redirects. */
#include "check/cookies.h"

#include <stdlib.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "check/target.h"
#include "http/http.h"

enum { FIELD_MAX = 8 * 1024 /* bytes of a Cookie field */ };

/* ---- what a Set-Cookie says ---- */

struct said {
    struct span pair, domain, path;
    bool secure, over; /* over: it is to be forgotten */
};

static void take_attribute(struct said *said, struct span attribute, int64_t wall)
{
    ptrdiff_t equal = span_find(attribute, '=');
    struct span name = span_trim(equal < 0 ? attribute : span_of(attribute.ptr, (size_t)equal));
    struct span value =
        equal < 0 ? (struct span){NULL, 0} : span_trim(span_from(attribute, (size_t)equal + 1));
    int64_t date;

    if (span_equal_nocase(name, SPAN("domain")) && value.len)
        said->domain = value.ptr[0] == '.' ? span_from(value, 1) : value;
    else if (span_equal_nocase(name, SPAN("path")))
        said->path = value;
    else if (span_equal_nocase(name, SPAN("secure")))
        said->secure = true;
    else if (span_equal_nocase(name, SPAN("max-age")))
        said->over = span_starts(value, SPAN("-")) || span_equal(value, SPAN("0"));
    else if (span_equal_nocase(name, SPAN("expires")) && http_date_parse(value, wall, &date) == 0)
        said->over |= date <= wall;
}

static bool read_line(struct span line, int64_t wall, struct said *ret_said)
{
    struct said said = {.secure = false};
    struct span part;

    if (!span_next(&line, ';', &part) || span_find(part, '=') <= 0)
        return false;
    said.pair = span_trim(part);
    while (span_next(&line, ';', &part))
        take_attribute(&said, part, wall);
    *ret_said = said;
    return true;
}

/* ---- whom it is for ---- */

static bool domain_matches(struct span host, struct span domain, bool is_ip)
{
    if (span_equal_nocase(host, domain))
        return true;
    return !is_ip && host.len > domain.len && host.ptr[host.len - domain.len - 1] == '.' &&
           span_equal_nocase(span_from(host, host.len - domain.len), domain);
}

/* RFC 6265 section 5.1.4 */
static bool path_matches(struct span path, struct span cookie)
{
    if (!span_starts(path, cookie))
        return false;
    return path.len == cookie.len || cookie.ptr[cookie.len - 1] == '/' ||
           path.ptr[cookie.len] == '/';
}

static struct span path_of(const struct target *target)
{
    struct span path = span_str(target->path);
    ptrdiff_t query = span_find(path, '?');

    return query < 0 ? path : span_of(path.ptr, (size_t)query);
}

/* The folder of the path, without its last slash. */
static struct span default_path(const struct target *target)
{
    struct span path = path_of(target);
    ptrdiff_t slash = span_find_last(path, '/');

    return slash > 0 ? span_of(path.ptr, (size_t)slash) : SPAN("/");
}

/* ---- the jar ---- */

static void release(struct cookie *cookie)
{
    free(cookie->pair);
    free(cookie->domain);
    free(cookie->path);
}

static void forget(struct cookie_jar *jar, const struct cookie *like)
{
    for (size_t i = 0; i < jar->count; i++) {
        struct cookie *old = &jar->items[i];
        if (old->name_len != like->name_len || memcmp(old->pair, like->pair, like->name_len) != 0 ||
            strcmp(old->domain, like->domain) != 0 || strcmp(old->path, like->path) != 0)
            continue;
        release(old);
        memmove(old, old + 1, (jar->count - i - 1) * sizeof *old);
        jar->count--;
        return;
    }
}

static void keep(struct cookie_jar *jar, const struct said *said, const struct target *from)
{
    struct span host = span_str(from->host), domain = said->domain;
    bool host_only = domain.len == 0 || span_equal_nocase(domain, host);

    if (domain.len && !domain_matches(host, domain, from->is_ip))
        return;
    if (!host_only && span_find(domain, '.') < 0)
        return;
    if (domain.len && !from->is_ip && span_find(domain, '.') >= 0)
        host_only = false;
    struct span path = span_starts(said->path, SPAN("/")) ? said->path : default_path(from);
    struct cookie cookie = {.pair = mem_string(said->pair),
                            .name_len = (size_t)span_find(said->pair, '=') + 1,
                            .domain = mem_string(domain.len ? domain : host),
                            .path = mem_string(path),
                            .host_only = host_only,
                            .secure = said->secure};
    for (char *c = cookie.domain; *c; c++)
        *c = ascii_lower(*c);
    forget(jar, &cookie);
    if (said->over || jar->count == COOKIES_KEPT)
        release(&cookie);
    else
        jar->items[jar->count++] = cookie;
}

void cookies_take(struct cookie_jar *jar, const char *lines, const struct target *from,
                  int64_t wall)
{
    struct span rest = span_str(lines ? lines : ""), line;
    struct said said;

    while (span_next(&rest, '\n', &line))
        if (read_line(line, wall, &said))
            keep(jar, &said, from);
}

static bool is_for(const struct cookie *cookie, const struct target *to, bool https)
{
    struct span host = span_str(to->host), domain = span_str(cookie->domain);
    bool here = cookie->host_only ? span_equal_nocase(host, domain)
                                  : domain_matches(host, domain, to->is_ip);

    return here && (https || !cookie->secure) && path_matches(path_of(to), span_str(cookie->path));
}

char *cookies_send(const struct cookie_jar *jar, const struct target *to, bool https)
{
    struct buffer out = buffer_make(FIELD_MAX);
    char *field = NULL;

    for (size_t i = 0; i < jar->count; i++)
        if (is_for(&jar->items[i], to, https) &&
            buffer_printf(&out, "%s%s", out.len ? "; " : "", jar->items[i].pair) < 0)
            break;
    if (out.len)
        field = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return field;
}

void cookies_finish(struct cookie_jar *jar)
{
    while (jar->count > 0)
        release(&jar->items[--jar->count]);
}
