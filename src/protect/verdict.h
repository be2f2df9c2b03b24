/* The answer of protection to one question. */
#pragma once

#include "http/http.h"

enum verdict_kind {
    VERDICT_PASS,   /**< go on */
    VERDICT_WAIT,   /**< not known yet: on_verdict() of the question follows */
    VERDICT_ANSWER, /**< protection answers in the handler's place: a challenge page, a 429 */
    VERDICT_REFUSE, /**< an error page with that status; status 0: cut off without an answer */
};

/** Zeroed memory is VERDICT_PASS. What it points to lives in the exchange's arena or longer. */
struct verdict {
    enum verdict_kind kind;
    int status;                /**< of ANSWER and REFUSE */
    const char *reason;        /**< static text for the log; NULL: nothing to say */
    struct http_fields fields; /**< more fields of that answer: retry-after, set-cookie */
    struct span body;          /**< of ANSWER: its whole body; empty: the error page */
};

static inline struct verdict verdict_pass(void)
{
    return (struct verdict){.kind = VERDICT_PASS};
}

static inline struct verdict verdict_refuse(int status, const char *reason)
{
    return (struct verdict){.kind = VERDICT_REFUSE, .status = status, .reason = reason};
}
