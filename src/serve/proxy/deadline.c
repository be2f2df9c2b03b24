/* The deadline of each stage. Time in which the client is slow is the client's, whose own deadlines
 * end it. */
#include "serve/proxy/deadline.h"

const char *proxy_stage_text(enum proxy_stage stage)
{
    static const char *const texts[] = {
        [PROXY_CONNECT] = "connecting",
        [PROXY_SEND] = "sending the request",
        [PROXY_ANSWER] = "waiting for the answer",
        [PROXY_BODY] = "reading the answer",
        [PROXY_TUNNEL] = "in the tunnel",
    };

    return texts[stage];
}

void proxy_clock_enter(struct proxy_clock *clock, enum proxy_stage stage, nsec_t now)
{
    clock->stage = stage;
    clock->entered = clock->progress = now;
    clock->waits_for_client = false;
}

static nsec_t stage_deadline(const struct proxy_clock *clock, const struct proxy_timeouts *timeouts)
{
    switch (clock->stage) {
    case PROXY_CONNECT:
        return clock->entered + timeouts->connect;
    case PROXY_ANSWER:
        return clock->entered + timeouts->first_byte;
    case PROXY_TUNNEL:
        return clock->progress + timeouts->tunnel;
    default:
        return clock->waits_for_client ? NSEC_NEVER : clock->progress + timeouts->between;
    }
}

nsec_t proxy_clock_deadline(const struct proxy_clock *clock, const struct proxy_timeouts *timeouts)
{
    nsec_t stage = stage_deadline(clock, timeouts);
    nsec_t whole = timeouts->whole ? clock->began + timeouts->whole : NSEC_NEVER;

    if (clock->stage == PROXY_TUNNEL) /* a WebSocket lives as long as bytes move */
        return stage;
    return stage < whole ? stage : whole;
}
