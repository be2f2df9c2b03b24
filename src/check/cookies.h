/* Cookies on the way of redirects, as browsers keep them (RFC 6265 sections 5.2 to 5.4). */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct target;

enum { COOKIES_KEPT = 50 };

struct cookie {
    char *pair;      /**< "name=value" */
    size_t name_len; /**< with its '=' */
    char *domain;
    char *path;
    bool host_only; /**< for that very host */
    bool secure;
};

/** Bounded: what comes after COOKIES_KEPT cookies is left out. Zero is an empty one. */
struct cookie_jar {
    struct cookie items[COOKIES_KEPT];
    size_t count;
};

/** Keeps what an answer set.
 *  @param lines  values of Set-Cookie fields, a newline between them; NULL: none
 *  @param from   where it was asked for
 *  @param wall   seconds since 1970 */
void cookies_take(struct cookie_jar *jar, const char *lines, const struct target *from,
                  int64_t wall);
/** The Cookie field of a request. @return for free(), or NULL for none */
char *cookies_send(const struct cookie_jar *jar, const struct target *to, bool https);
void cookies_finish(struct cookie_jar *jar);
