/* One request on its way through the pipeline. It lives in its exchange's arena, from the header's
 * end to on_close; handlers, filters and loggers see it and never a socket.
 *
 *   header complete: request_begin → site and route → protect_request → handler->start
 *   body:            protect_body → handler->on_body
 *   answer:          request_respond → protect_response → error page, compression, header rules
 *   closed:          handler->on_close → protect_closed → access log
 */
#pragma once

#include "base/list.h"
#include "base/log.h"
#include "http/http.h"
#include "os/loop.h"
#include "protect/protect.h"
#include "serve/handler.h"

struct hold;
struct route;
struct server;
struct site;
struct sites;

enum { REQUEST_ID_SIZE = 32 };

/** What the pipeline needs of a connection, whatever its transport, which embeds it. It is the
 *  owner of its engine's events. */
struct request_source {
    struct server *server;
    struct client client;
    uint32_t requests; /**< that came over it */
    bool misdirected;  /**< plain HTTP came to a port for HTTPS */
    bool unread;       /**< the client may be sending what nobody reads */
    /** Something is to be sent or read: the connection is due in the next round of the loop. */
    void (*wake)(struct request_source *source);
};

struct request {
    struct http_exchange *x; /**< the message, its arena, its times, and the answer */
    struct request_source *source;
    struct server *server;
    const struct client *client;
    struct sites *sites;           /**< the snapshot that it began with */
    const struct site *site;       /**< NULL: no site answers for the host */
    const struct route *route;     /**< NULL: none of the site's routes matches */
    const struct handler *handler; /**< whose start() was called; NULL: nobody's */
    void *state;                   /**< the handler's own, in the arena or freed in on_close */
    struct span path; /**< decoded, dot segments resolved; ptr is NULL when it is malformed */
    struct span rest; /**< the path beneath the route's, beginning with '/' */
    char id[REQUEST_ID_SIZE + 1];
    struct protect_question question; /**< what protection knows of it */
    struct verdict verdict;           /**< the last that did not let it pass */
    nsec_t routed;                    /**< monotonic, when its header was complete */
    nsec_t answered;    /**< when request_respond() was called; 0 before. The first byte's time is
                             x->first_byte */
    const char *reason; /**< for the log: why there was an error, static text; NULL otherwise */
    int error;          /**< the -errno behind the reason, or 0 */
    struct hold *hold;  /**< body bytes that may not go on yet; NULL: none ever were */
    struct list feed;   /**< in server->feeds while more of `hold` is due to the handler */
    uint64_t offered;   /**< bytes out of `hold` that the handler has and did not consume */
    bool *gone;         /**< set to true when the request ends; NULL: nobody asks */
    const struct header_rule *rules; /**< the site's or the route's, for its answer */
    size_t rule_count;
    bool exact_name;     /**< a site has this very host, not its wildcard */
    bool coding_settled; /**< the answer's content coding was negotiated already */
    bool refused;        /**< no handler gets it: refused, or answered by protection */
    bool answer_judged;  /**< protect_response() was asked already */
    bool held_back;      /**< protection has not let the body pass yet */
    bool streams;        /**< the hold buffer was full: nothing is held back any more */
    bool body_done;      /**< the request is complete */
    bool end_told;       /**< on_request_end() was called */
};

/** The request of an exchange; NULL when its memory did not suffice for one. */
static inline struct request *request_of(const struct http_exchange *x)
{
    return x->user;
}

/** The request of an exchange whose header has just come, with its site and route. on_request does
 *  this; tests do it themselves. @return NULL when the exchange's memory does not suffice */
must_check struct request *request_begin(struct request_source *source, struct http_exchange *x);

/** Answers: the one exit of the pipeline, for every answer. An error (status >= 400) without a body
 *  gets the site's error page, or one of ours. Then come protect_response(), compression and the
 *  header rules of the site. `response` is copied shallowly: its spans live in the arena or longer.
 *  A second answer closes `body` and does nothing else.
 *  @param body  NULL for none; taken over */
void request_respond(struct request *r, const struct http_response *response,
                     struct http_body *body);
/** Answers with an error page. @param reason  for the log, static text; NULL keeps the reason */
void request_fail(struct request *r, int status, const char *reason);
/** The same with one more field. */
void request_fail_with(struct request *r, int status, const char *reason,
                       const struct http_field *field);
/** An answer in the making: room for `own` fields and for those that header rules add.
 *  @return 0, or ERR_LIMIT when the arena is full (then answer with request_fail(500)) */
must_check int request_response(const struct request *r, int status, unsigned own,
                                struct http_response *ret_response);
/** A body of text that lives in the arena or longer. NULL when the arena is full. */
struct http_body *request_text_body(const struct request *r, struct span text);

/** The handler does not have what is asked for: the route's `otherwise` gets the request, in place
 * of an answer. To be called from inside start(), by handlers without state.
 *  @return false when there is none */
bool request_pass_on(struct request *r);

/** `bytes` of the body are done with: the client may send as many again. */
void request_consume(struct request *r, uint64_t bytes);
/** The body that said -EAGAIN has more, or has ended. */
void request_resume(struct request *r);
/** Cuts the request off without an answer, or in the middle of one. on_close follows before return.
 *  @param reason  for the log, static text */
void request_reset(struct request *r, const char *reason);

/** Monotonic time of this round of the loop. */
nsec_t request_now(const struct request *r);
/** Wall-clock time of this round. */
nsec_t request_wall(const struct request *r);
/** The worker's event loop, for timers and sockets of handlers. */
struct loop *request_loop(const struct request *r);
const struct log *request_log(const struct request *r);

/* What engines tell; `owner` is a struct request_source. Transports put them into their struct
 * http_events. */
void request_on_request(void *owner, struct http_exchange *x);
void request_on_body(void *owner, struct http_exchange *x, struct span bytes);
void request_on_refusal(void *owner, struct http_exchange *x);
void request_on_end(void *owner, struct http_exchange *x);
void request_on_tunnel(void *owner, struct http_exchange *x, struct span bytes);
void request_on_close(void *owner, struct http_exchange *x, enum http_end end);
void request_on_wake(void *owner);
