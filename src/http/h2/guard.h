/* The budgets of an HTTP/2 connection: it looks at the frame headers that go by and says when a
 * peer sends more of a cheap frame than any honest client does. What follows is the engine's
 * business.
 */
#pragma once

#include "base/macros.h"
#include "base/nsec.h"
#include "http/message_limits.h"

struct h2_guard {
    bool settled;           /**< the client's first SETTINGS went by */
    uint32_t continuations; /**< CONTINUATION frames of the present header block */
    uint32_t credit;        /**< PRIORITY and WINDOW_UPDATE frames that are not needless yet */
    nsec_t resets;          /**< buckets: when each would be full again */
    nsec_t settings;
    nsec_t pings;
    nsec_t empties;
};

/** What a frame's header says. */
struct h2_frame {
    uint8_t type;
    uint8_t flags;
    uint32_t length;
};

void h2_guard_init(struct h2_guard *guard);
/** Looks at a frame's header before the frame is.
 *  Counts RST_STREAM (CVE-2023-44487), SETTINGS (CVE-2019-9515), PING (CVE-2019-9512), frames that
 *  carry nothing (CVE-2019-9518), PRIORITY and WINDOW_UPDATE beyond what our DATA explains
 *  (CVE-2019-9513), and the CONTINUATION frames of a block (CVE-2024-27316).
 *  @return 0, or ERR_LIMIT once a budget is passed */
must_check int h2_guard_frame(struct h2_guard *guard, struct h2_frame frame,
                              const struct http_limits *limits, nsec_t now);
/** A stream that had to be reset for what the client sent on it (CVE-2025-8671).
 *  @return 0, or ERR_LIMIT */
must_check int h2_guard_reset(struct h2_guard *guard, const struct http_limits *limits, nsec_t now);
/** A frame that turned out to carry nothing (padding only). @return 0, or ERR_LIMIT */
must_check int h2_guard_empty(struct h2_guard *guard, const struct http_limits *limits, nsec_t now);
/** A request came, or `bytes` of DATA went: the client may answer with a few frames of its own. */
void h2_guard_credit(struct h2_guard *guard, size_t bytes);
