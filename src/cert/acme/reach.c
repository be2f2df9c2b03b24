/* Whether a name leads to this server over plain HTTP. */
#include "cert/acme/reach.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"

enum { CONNECT_SECONDS = 5, FETCH_SECONDS = 10, BODY_MAX = 1024 };

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct buffer *body = context;

    return buffer_append(body, bytes, size * count) < 0 ? 0 : size * count;
}

static void address_text(const struct addrinfo *at, char out[INET6_ADDRSTRLEN])
{
    const void *bytes = at->ai_family == AF_INET6
                            ? (const void *)&((struct sockaddr_in6 *)at->ai_addr)->sin6_addr
                            : (const void *)&((struct sockaddr_in *)at->ai_addr)->sin_addr;

    if (!inet_ntop(at->ai_family, bytes, out, INET6_ADDRSTRLEN))
        out[0] = '\0';
}

/** Does an interface of this machine have the address? */
static bool is_ours(const struct sockaddr *address)
{
    struct ifaddrs *all;
    bool ours = false;

    if (getifaddrs(&all) < 0)
        return false;
    for (const struct ifaddrs *at = all; at && !ours; at = at->ifa_next) {
        if (!at->ifa_addr || at->ifa_addr->sa_family != address->sa_family)
            continue;
        if (address->sa_family == AF_INET)
            ours = ((const struct sockaddr_in *)at->ifa_addr)->sin_addr.s_addr ==
                   ((const struct sockaddr_in *)address)->sin_addr.s_addr;
        else if (address->sa_family == AF_INET6)
            ours = memcmp(&((const struct sockaddr_in6 *)at->ifa_addr)->sin6_addr,
                          &((const struct sockaddr_in6 *)address)->sin6_addr, 16) == 0;
    }
    freeifaddrs(all);
    return ours;
}

/** What is fetched, and must come back. */
struct errand {
    const char *name;
    uint16_t port;
    const char *token;
    const char *text;
};

/** The URL with the name in it, and the name pinned to one address. */
static void aim(CURL *curl, const struct errand *errand, const char *address,
                struct curl_slist **ret_pinned)
{
    const char *name = errand->name;
    bool ipv6_name = strchr(name, ':') != NULL;
    scoped(mem_release) char *url =
        mem_format("http://%s%s%s:%u/.well-known/acme-challenge/%s", ipv6_name ? "[" : "", name,
                   ipv6_name ? "]" : "", errand->port, errand->token);
    scoped(mem_release) char *pin =
        mem_format("%s:%u:%s%s%s", name, errand->port, strchr(address, ':') ? "[" : "", address,
                   strchr(address, ':') ? "]" : "");

    *ret_pinned = ipv6_name ? NULL : curl_slist_append(NULL, pin);
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_RESOLVE, *ret_pinned);
}

static enum acme_reach judge(CURLcode code, long status, const struct buffer *body,
                             const char *text, char reason[160])
{
    if (code == CURLE_OK && status == 200 &&
        span_equal(span_trim(buffer_span(body)), span_str(text)))
        return ACME_REACHED;
    if (code == CURLE_OK || code == CURLE_WRITE_ERROR) {
        snprintf(reason, 160,
                 "another server answers there (HTTP status %ld in place of our token)", status);
        return ACME_OTHER_SERVER;
    }
    snprintf(reason, 160, "%s", curl_easy_strerror(code));
    return ACME_UNREACHED;
}

static enum acme_reach fetch(const struct errand *errand, const char *address, char reason[160])
{
    struct buffer body = buffer_make(BODY_MAX);
    struct curl_slist *pinned = NULL;
    CURL *curl = curl_easy_init();
    long status = 0;

    if (!curl) {
        snprintf(reason, 160, "libcurl cannot be used");
        return ACME_UNREACHED;
    }
    aim(curl, errand, address, &pinned);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION,
                     1L);                           /* as certificate authorities do, who do not */
    curl_easy_setopt(curl, CURLOPT_MAXREDIRS, 10L); /* look at certificates on the way */
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
    curl_easy_setopt(curl, CURLOPT_PROXY, "");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)FETCH_SECONDS);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &body);
    CURLcode code = curl_easy_perform(curl);
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    enum acme_reach reach = judge(code, status, &body, errand->text, reason);
    curl_easy_cleanup(curl);
    curl_slist_free_all(pinned);
    buffer_finish(&body);
    return reach;
}

/** Is `a` worse news than `b`? */
static bool is_worse(enum acme_reach a, enum acme_reach b)
{
    static const int rank[] = {
        [ACME_REACHED] = 0, [ACME_UNREACHED] = 1, [ACME_OTHER_SERVER] = 2, [ACME_NO_NAME] = 3};

    return rank[a] > rank[b];
}

void acme_reach(const char *name, uint16_t port, const char *token, const char *text,
                struct acme_reach_result *ret_result)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const struct errand errand = {name, port, token, text};
    struct acme_reach_result result = {.worst = ACME_REACHED};
    struct addrinfo *list = NULL;

    int error = getaddrinfo(name, NULL, &hints, &list);
    if (error) {
        result.worst = ACME_NO_NAME;
        snprintf(result.reason, sizeof result.reason, "%s", gai_strerror(error));
    }
    for (const struct addrinfo *at = list; at && result.addresses < ACME_REACH_MAX;
         at = at->ai_next) {
        char address[INET6_ADDRSTRLEN], reason[160] = "";
        address_text(at, address);
        result.addresses++;
        enum acme_reach reach = fetch(&errand, address, reason);
        if (!is_worse(reach, result.worst))
            continue;
        result.worst = reach;
        result.ours = is_ours(at->ai_addr);
        snprintf(result.place, sizeof result.place, "%s", address);
        memcpy(result.reason, reason, sizeof reason);
    }
    if (list)
        freeaddrinfo(list);
    *ret_result = result;
}
