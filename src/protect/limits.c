/* The rows of `limits:` and the arithmetic of deadlines. Counting connections is peers.c's. */
#include "protect/limits.h"

#define SECONDS(n) ((n)*NSEC_PER_SEC)
#define BODY_UNFORWARDED (16 << 20)
#define ROW(key, kind, least, most, text, words)                                                   \
    {                                                                                              \
        .name = #key, .type = kind, .offset = offsetof(struct limits_settings, key), .min = least, \
        .max = most, .def = text, .help = words                                                    \
    }

const struct config_row limits_rows[] = {
    ROW(header_size, CONFIG_SIZE, 1024, 1 << 20, "32KiB",
        "largest header section of a request, all names and values together"),
    ROW(header_count, CONFIG_INT, 8, 1000, "100", "most header fields of a request"),
    ROW(uri_length, CONFIG_SIZE, 256, 1 << 16, "8KiB", "longest request target"),
    ROW(body_size, CONFIG_SIZE, 0, INT64_C(1) << 50, "0",
        "largest request body; a larger one gets 413; 0 is no limit for what is forwarded and 16 "
        "MiB "
        "for the rest"),
    ROW(requests_per_connection, CONFIG_INT, 0, INT32_MAX, "0",
        "requests after which a connection ends in good order; 0 never ends one"),
    ROW(connections_per_worker, CONFIG_INT, 0, 10000000, "0",
        "most connections of one worker; 0 is as many as its descriptors allow"),
    ROW(connections_per_address, CONFIG_INT, 0, 10000000, "1000",
        "most connections from one IPv4 address or IPv6 /64, over all workers; 0 is no limit"),
    ROW(requests_per_address, CONFIG_INT, 0, 10000000, "0",
        "most requests at once from one IPv4 address or IPv6 /64, over all workers; more get 429; "
        "0 is no limit"),
    ROW(connection_memory, CONFIG_SIZE, 0, INT64_C(1) << 40, "4MiB",
        "most memory for the unfinished requests of one connection, which is cut off beyond it; 0 "
        "is "
        "no limit"),
    ROW(worker_memory, CONFIG_SIZE, 0, INT64_C(1) << 50, "256MiB",
        "most memory for the unfinished requests of one worker; beyond it the client that holds "
        "most "
        "gives way; 0 is no limit"),
    ROW(handshake_timeout, CONFIG_DURATION, 0, SECONDS(600), "10s", "time for the TLS handshake"),
    ROW(keep_alive, CONFIG_DURATION, 0, SECONDS(86400), "75s",
        "how long a connection may idle between requests"),
    ROW(header_timeout, CONFIG_DURATION, 0, SECONDS(3600), "20s",
        "time for a request's header section, from its first byte"),
    ROW(header_timeout_max, CONFIG_DURATION, 0, SECONDS(3600), "40s",
        "most time for a header section, however fast it arrives"),
    ROW(header_rate, CONFIG_SIZE, 0, 1 << 30, "500",
        "bytes of header that extend the deadline by one second"),
    ROW(body_timeout, CONFIG_DURATION, 0, SECONDS(3600), "20s",
        "time for a request's body, from the end of its header"),
    ROW(body_rate, CONFIG_SIZE, 0, 1 << 30, "500",
        "bytes of body that extend the deadline by one second"),
    ROW(response_timeout, CONFIG_DURATION, 0, SECONDS(3600), "60s",
        "time that a client may leave an answer unread"),
    ROW(response_rate, CONFIG_SIZE, 0, 1 << 30, "500",
        "bytes of answer taken that extend the deadline by one second"),
    ROW(h2_streams, CONFIG_INT, 1, 10000, "128", "concurrent requests of an HTTP/2 connection"),
    ROW(h2_resets, CONFIG_INT, 10, 1000000, "1000",
        "streams of an HTTP/2 connection that may be reset in a minute, by either side, before it "
        "is ended"),
    ROW(h2_settings, CONFIG_INT, 1, 100000, "60", "SETTINGS frames a minute"),
    ROW(h2_pings, CONFIG_INT, 1, 100000, "120", "PING frames a minute"),
    ROW(h2_empty_frames, CONFIG_INT, 1, 1000000, "600",
        "frames a minute that carry nothing (empty DATA, needless PRIORITY and WINDOW_UPDATE)"),
    ROW(h2_continuations, CONFIG_INT, 0, 1000, "8", "CONTINUATION frames of one header section"),
    ROW(h2_window, CONFIG_SIZE, 65535, 1 << 30, "256KiB",
        "bytes of request body that one HTTP/2 stream may have under way"),
    CONFIG_END,
};

uint64_t limits_body(const struct limits_settings *limits, int64_t own, bool forwarded)
{
    if (own > 0)
        return (uint64_t)own;
    if (limits->body_size > 0)
        return (uint64_t)limits->body_size;
    return forwarded ? UINT64_MAX : BODY_UNFORWARDED;
}

void limits_http(const struct limits_settings *limits, struct http_limits *ret_http)
{
    *ret_http = (struct http_limits){
        .header_bytes = (uint32_t)limits->header_size,
        .header_count = (uint32_t)limits->header_count,
        .uri_bytes = (uint32_t)limits->uri_length,
        .body_bytes = limits_body(limits, 0, false),
        .requests_per_connection = (uint32_t)limits->requests_per_connection,
        .h2_streams = (uint32_t)limits->h2_streams,
        .h2_resets_per_minute = (uint32_t)limits->h2_resets,
        .h2_settings_per_minute = (uint32_t)limits->h2_settings,
        .h2_pings_per_minute = (uint32_t)limits->h2_pings,
        .h2_empty_frames_per_minute = (uint32_t)limits->h2_empty_frames,
        .h2_continuations = (uint32_t)limits->h2_continuations,
        .body_window = (uint32_t)limits->h2_window,
        .header = {limits->header_timeout, limits->header_timeout_max,
                   (uint64_t)limits->header_rate},
        .body = {limits->body_timeout, 0, (uint64_t)limits->body_rate},
        .answer = {limits->response_timeout, 0, (uint64_t)limits->response_rate},
    };
}

nsec_t limits_deadline(const struct limits_pace *pace, nsec_t timeout, int64_t rate, nsec_t most)
{
    if (timeout == 0)
        return NSEC_NEVER;
    nsec_t bought = 0;
    if (rate > 0) {
        uint64_t seconds = pace->moved / (uint64_t)rate;
        bought = seconds > 1000000 ? SECONDS(1000000) : SECONDS((nsec_t)seconds);
    }
    nsec_t allowed = timeout + bought;
    if (most > 0 && allowed > most)
        allowed = most;
    return pace->began + allowed;
}
