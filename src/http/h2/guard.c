/* Token buckets over the frame headers of a connection. It sees no payload and knows no stream; the
 * engine tells it what only a parser can see. */
#include "http/h2/guard.h"

#include <nghttp2/nghttp2.h>

#include "base/error.h"

enum {
    CREDIT_FIRST = 64, /* clients that still build a priority tree open with a handful */
    CREDIT_MAX = 1 << 16,
    CREDIT_FRAME = 4,       /* a stream's and the connection's window, twice over */
    CREDIT_PER_BYTES = 512, /* a client that reads in small steps updates as often */
};

void h2_guard_init(struct h2_guard *guard)
{
    *guard = (struct h2_guard){.credit = CREDIT_FIRST};
}

/** Takes one of `per_minute` tokens, of which as many may be spent at once (GCRA).
 *  @return 0, or ERR_LIMIT */
static int spend(nsec_t *bucket, uint32_t per_minute, nsec_t now)
{
    if (per_minute == 0)
        return 0;
    nsec_t cost = 60 * NSEC_PER_SEC / per_minute;
    nsec_t from = *bucket > now ? *bucket : now;

    if (from + cost - now > 60 * NSEC_PER_SEC)
        return ERR_LIMIT;
    *bucket = from + cost;
    return 0;
}

int h2_guard_reset(struct h2_guard *guard, const struct http_limits *limits, nsec_t now)
{
    return spend(&guard->resets, limits->h2_resets_per_minute, now);
}

int h2_guard_empty(struct h2_guard *guard, const struct http_limits *limits, nsec_t now)
{
    return spend(&guard->empties, limits->h2_empty_frames_per_minute, now);
}

void h2_guard_credit(struct h2_guard *guard, size_t bytes)
{
    guard->credit += CREDIT_FRAME + (uint32_t)(bytes / CREDIT_PER_BYTES);
    if (guard->credit > CREDIT_MAX)
        guard->credit = CREDIT_MAX;
}

static int judge_settings(struct h2_guard *guard, struct h2_frame frame,
                          const struct http_limits *limits, nsec_t now)
{
    if (frame.flags & NGHTTP2_FLAG_ACK) /* one that nobody asked for ends the connection */
        return 0;
    if (!guard->settled) {
        guard->settled = true;
        return 0;
    }
    return spend(&guard->settings, limits->h2_settings_per_minute, now);
}

static int judge_block(struct h2_guard *guard, struct h2_frame frame,
                       const struct http_limits *limits, nsec_t now)
{
    bool first = frame.type == NGHTTP2_HEADERS;

    guard->continuations = first ? 0 : guard->continuations + 1;
    if (guard->continuations > limits->h2_continuations)
        return ERR_LIMIT;
    if (frame.length == 0 && !(frame.flags & NGHTTP2_FLAG_END_HEADERS))
        return h2_guard_empty(guard, limits, now);
    return 0;
}

int h2_guard_frame(struct h2_guard *guard, struct h2_frame frame, const struct http_limits *limits,
                   nsec_t now)
{
    switch (frame.type) {
    case NGHTTP2_DATA:
        if (frame.length || (frame.flags & NGHTTP2_FLAG_END_STREAM))
            return 0;
        return h2_guard_empty(guard, limits, now);
    case NGHTTP2_HEADERS:
    case NGHTTP2_CONTINUATION:
        return judge_block(guard, frame, limits, now);
    case NGHTTP2_RST_STREAM:
        return h2_guard_reset(guard, limits, now);
    case NGHTTP2_SETTINGS:
        return judge_settings(guard, frame, limits, now);
    case NGHTTP2_PING:
        return spend(&guard->pings, limits->h2_pings_per_minute, now);
    case NGHTTP2_PRIORITY:
    case NGHTTP2_WINDOW_UPDATE:
    case NGHTTP2_PRIORITY_UPDATE:
        if (guard->credit) {
            guard->credit--;
            return 0;
        }
        return h2_guard_empty(guard, limits, now);
    default: /* GOAWAY and what nobody knows */
        return h2_guard_empty(guard, limits, now);
    }
}
