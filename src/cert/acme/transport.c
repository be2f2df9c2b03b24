/* HTTPS requests to an ACME server, by libcurl. */
#include "cert/acme/transport.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "cert/acme/message.h"

enum { CONNECT_SECONDS = 15, REQUEST_SECONDS = 60, FIELD_MAX = 8192, FIELDS_MAX = 64 << 10 };

struct acme_transport {
    CURL *curl;
    struct curl_slist *fields;   /* of POST requests */
    struct curl_slist *resolved; /* the present host's addresses */
    char place[300];             /* host:port that they are of; "" for none */
    char reason[CURL_ERROR_SIZE];
    size_t field_bytes; /* of the present answer */
    bool too_long;
};

/* What libcurl's callbacks write to. */
struct reception {
    struct acme_transport *transport;
    struct acme_answer *answer;
};

int acme_transport_create(const struct acme_transport_config *config,
                          struct acme_transport **ret_transport)
{
    struct acme_transport *transport = mem_new(struct acme_transport);

    transport->curl = curl_easy_init();
    if (!transport->curl) {
        acme_transport_destroy(transport);
        return ERR_TLS;
    }
    transport->fields = curl_slist_append(NULL, "Content-Type: application/jose+json");
    transport->fields = curl_slist_append(transport->fields, "Expect:");
    CURL *curl = transport->curl;
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, transport->reason);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https");
    curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, (long)CONNECT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_TIMEOUT, (long)REQUEST_SECONDS);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, config->user_agent);
    if (config->ca_pem.len) {
        struct curl_blob blob = {(void *)config->ca_pem.ptr, config->ca_pem.len, CURL_BLOB_COPY};
        curl_easy_setopt(curl, CURLOPT_CAINFO_BLOB, &blob);
        curl_easy_setopt(curl, CURLOPT_CAPATH, NULL);
    }
    *ret_transport = transport;
    return 0;
}

void acme_transport_destroy(struct acme_transport *transport)
{
    if (!transport)
        return;
    if (transport->curl)
        curl_easy_cleanup(transport->curl);
    curl_slist_free_all(transport->fields);
    curl_slist_free_all(transport->resolved);
    free(transport);
}

const char *acme_transport_reason(const struct acme_transport *transport)
{
    return transport->reason;
}

void acme_answer_finish(struct acme_answer *answer)
{
    buffer_finish(&answer->body);
    free(answer->nonce);
    free(answer->location);
    for (size_t i = 0; i < answer->alternate_count; i++)
        free(answer->alternate[i]);
    *answer = (struct acme_answer){0};
}

/* ---- what comes ---- */

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct reception *reception = context;

    if (buffer_append(&reception->answer->body, bytes, size * count) < 0) {
        reception->transport->too_long = true;
        return 0; /* libcurl ends the transfer */
    }
    return size * count;
}

/** Retry-After: seconds or a date (RFC 9110 section 10.2.3). */
static nsec_t read_retry_after(struct span value)
{
    scoped(mem_release) char *text = mem_string(value);
    uint64_t seconds;

    if (span_to_uint(value, &seconds) == 0)
        return nsec_realtime() + (nsec_t)(seconds < 31622400 ? seconds : 31622400) * NSEC_PER_SEC;
    time_t at = curl_getdate(text, NULL);
    return at > 0 ? (nsec_t)at * NSEC_PER_SEC : 0;
}

/** Link: <URL>;rel="alternate" (RFC 8555 section 7.4.2). Several links of one field are told apart
 *  by their angle brackets. */
static void read_links(struct span value, struct acme_answer *answer)
{
    while (answer->alternate_count < ARRAY_SIZE(answer->alternate)) {
        ptrdiff_t open = span_find(value, '<');
        if (open < 0)
            return;
        value = span_from(value, (size_t)open + 1);
        ptrdiff_t close = span_find(value, '>');
        if (close < 0)
            return;
        struct span url = span_of(value.ptr, (size_t)close);
        value = span_from(value, (size_t)close + 1);
        ptrdiff_t next = span_find(value, '<');
        struct span parameters = next < 0 ? value : span_of(value.ptr, (size_t)next);
        bool alternate = span_find_span(parameters, SPAN("rel=\"alternate\"")) >= 0 ||
                         span_find_span(parameters, SPAN("rel=alternate")) >= 0;
        if (alternate && url.len <= ACME_URL_MAX)
            answer->alternate[answer->alternate_count++] = mem_string(url);
    }
}

static void replace(char **text, struct span value)
{
    free(*text);
    *text = mem_string(value);
}

static void read_field(struct span name, struct span value, struct acme_answer *answer)
{
    if (span_equal_nocase(name, SPAN("replay-nonce")))
        replace(&answer->nonce, value);
    else if (span_equal_nocase(name, SPAN("location")))
        replace(&answer->location, value);
    else if (span_equal_nocase(name, SPAN("retry-after")))
        answer->retry_after = read_retry_after(value);
    else if (span_equal_nocase(name, SPAN("link")))
        read_links(value, answer);
    else if (span_equal_nocase(name, SPAN("date"))) {
        scoped(mem_release) char *text = mem_string(value);
        time_t at = curl_getdate(text, NULL);
        answer->date = at > 0 ? (nsec_t)at * NSEC_PER_SEC : 0;
    }
}

static size_t on_field(char *bytes, size_t size, size_t count, void *context)
{
    struct reception *reception = context;
    struct span line = span_of(bytes, size * count);

    reception->transport->field_bytes += line.len;
    if (line.len > FIELD_MAX || reception->transport->field_bytes > FIELDS_MAX) {
        reception->transport->too_long = true;
        return 0;
    }
    while (line.len && (line.ptr[line.len - 1] == '\n' || line.ptr[line.len - 1] == '\r'))
        line.len--;
    ptrdiff_t colon = span_find(line, ':');
    if (colon > 0)
        read_field(span_of(line.ptr, (size_t)colon), span_trim(span_from(line, (size_t)colon + 1)),
                   reception->answer);
    return size * count;
}

/* ---- names ---- */

/** Writes the addresses of a host as libcurl takes them: "HOST:PORT:ADDRESS,ADDRESS". */
static void add_addresses(struct acme_transport *transport, const char *host, const char *port,
                          const struct addrinfo *list)
{
    struct buffer text = buffer_make(4096);
    int r = buffer_printf(&text, "%s:%s:", host, port);

    for (const struct addrinfo *at = list; r == 0 && at; at = at->ai_next) {
        char address[INET6_ADDRSTRLEN];
        bool ipv6 = at->ai_family == AF_INET6;
        const void *bytes = ipv6 ? (const void *)&((struct sockaddr_in6 *)at->ai_addr)->sin6_addr
                                 : (const void *)&((struct sockaddr_in *)at->ai_addr)->sin_addr;
        if (inet_ntop(at->ai_family, bytes, address, sizeof address))
            r = buffer_printf(&text, ipv6 ? "%s[%s]" : "%s%s", at == list ? "" : ",", address);
    }
    scoped(mem_release) char *line = mem_string(buffer_span(&text));
    buffer_finish(&text);
    transport->resolved = curl_slist_append(NULL, line);
    curl_easy_setopt(transport->curl, CURLOPT_RESOLVE, transport->resolved);
}

/** Looks the host up here: libcurl would start a thread for it, which the sandbox forbids.
 *  @return 0, or ERR_CLOSED with the reason */
static int look_up(struct acme_transport *transport, const char *host, const char *port)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_ADDRCONFIG};
    struct addrinfo *list;

    int error = getaddrinfo(host, port, &hints, &list);
    if (error) {
        snprintf(transport->reason, sizeof transport->reason, "the name %s cannot be looked up: %s",
                 host, gai_strerror(error));
        return ERR_CLOSED;
    }
    add_addresses(transport, host, port, list);
    freeaddrinfo(list);
    return 0;
}

/** Makes sure that the addresses of the URL's host are known, for the life of the transport. */
static int resolve(struct acme_transport *transport, const char *url)
{
    CURLU *parts = curl_url();
    char *host = NULL, *port = NULL;
    char place[sizeof transport->place];
    int r = 0;

    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK ||
        snprintf(place, sizeof place, "%s:%s", host, port) >= (int)sizeof place) {
        snprintf(transport->reason, sizeof transport->reason, "the URL cannot be read");
        r = ERR_CLOSED;
    } else if (host[0] != '[' && strcmp(place, transport->place) != 0) {
        curl_slist_free_all(take(transport->resolved));
        transport->place[0] = '\0';
        r = look_up(transport, host, port);
        if (r == 0)
            memcpy(transport->place, place, sizeof place);
    }
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(parts);
    return r;
}

/* ---- one request ---- */

static int error_of(const struct acme_transport *transport, CURLcode code)
{
    if (transport->too_long)
        return ERR_LIMIT;
    switch (code) {
    case CURLE_OPERATION_TIMEDOUT:
        return ERR_TIMEOUT;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        return ERR_TLS;
    default:
        return ERR_CLOSED;
    }
}

static void choose_method(struct acme_transport *transport, enum acme_method method,
                          struct span body)
{
    CURL *curl = transport->curl;

    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, method == ACME_POST ? transport->fields : NULL);
    if (method == ACME_POST) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 0L);
        curl_easy_setopt(curl, CURLOPT_POST, 1L);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.ptr);
        curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    } else {
        curl_easy_setopt(curl, CURLOPT_HTTPGET, 1L);
        curl_easy_setopt(curl, CURLOPT_NOBODY, method == ACME_HEAD ? 1L : 0L);
    }
}

int acme_transport_send(struct acme_transport *transport, enum acme_method method, const char *url,
                        struct span body, struct acme_answer *ret_answer)
{
    struct acme_answer answer = {.body = buffer_make(ACME_BODY_MAX)};
    struct reception reception = {transport, &answer};
    CURL *curl = transport->curl;
    long status = 0;

    transport->too_long = false;
    transport->field_bytes = 0;
    transport->reason[0] = '\0';
    int r = resolve(transport, url);
    if (r < 0)
        return r;
    curl_easy_setopt(curl, CURLOPT_URL, url);
    choose_method(transport, method, body);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, &reception);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_field);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, &reception);
    CURLcode code = curl_easy_perform(curl);
    if (code != CURLE_OK) {
        if (transport->too_long || !transport->reason[0])
            snprintf(transport->reason, sizeof transport->reason, "%s",
                     transport->too_long ? "the answer is too long" : curl_easy_strerror(code));
        acme_answer_finish(&answer);
        return error_of(transport, code);
    }
    curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
    answer.status = (int)status;
    *ret_answer = answer;
    return 0;
}
