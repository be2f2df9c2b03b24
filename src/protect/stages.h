/* The stages at which protection is asked, in the order in which they come:
 *
 *   protect_accept → (protect_request → protect_body … → protect_response → protect_closed) …
 *                  → protect_release
 *
 * Each stage asks the policies of its worker one after the other; the first that does not let pass
 * decides. Who asks serves the verdict; protection knows no connection and sends nothing. */
#pragma once

#include "base/macros.h"
#include "protect/client.h"
#include "protect/limits.h"
#include "protect/rules.h"
#include "protect/verdict.h"

struct protect; /* of one worker */
struct ban_table;
struct protect_counts;
struct protect_policy;
struct waf_rules;

enum { PROTECT_POLICIES_MAX = 16 };

/** One request, as policies see it. Embedded in whoever asks. */
struct protect_question {
    struct http_exchange *exchange; /**< the request, its arena, and later the response */
    const struct client *client;
    struct peer_address address; /**< whom the request is counted to: the client, or the one that a
                                      trusted proxy names */
    bool address_learned;        /**< a header named it */
    struct span host;            /**< host[:port] that the client asked for; a trusted proxy in
                                      front may have said so */
    const struct protect_rules *rules; /**< of the route; NULL: no site answers */
    struct span request_id;
    const struct waf_rules *waf_rules; /**< of the snapshot; NULL: none */
    int waf_mode;                      /**< enum waf_mode, of the site */
    struct span path;  /**< decoded, dot segments resolved; ptr is NULL when it is malformed */
    nsec_t now;        /**< monotonic, of the stage at hand */
    bool body_done;    /**< protect_body(): no bytes follow these */
    size_t hold_limit; /**< so many bytes of the body are held at most; behind them VERDICT_WAIT
                            holds nothing any more */
    size_t hold_max;   /**< what the hold buffer takes; a policy may raise it in on_request, and
                           answers for the memory then */
    /** All that was waited for is decided: PASS, or the verdict that a policy came to. Set by who
     *  asks; called by protect_decide(). */
    void (*on_verdict)(struct protect_question *question, const struct verdict *verdict);
    void *state[PROTECT_POLICIES_MAX]; /**< each policy's own, by its number; in the arena */
    unsigned inspecting; /**< bits of the policies that want to see the body: set by on_request */
    unsigned watched;    /**< bits of the policies that would have refused it, were they on */
    unsigned waiting;    /**< bits of those that said VERDICT_WAIT and have not decided */
    unsigned asked;      /**< policies whose on_request let it pass */
    const struct protect_policy *refused_by; /**< that said ANSWER or REFUSE; NULL: none did */
};

/** What one policy (limits, rates, WAF, challenge) does at each stage; NULL: nothing. A policy that
 *  is to be asked at a later stage keeps its findings in question->state[number]. */
struct protect_policy {
    const char *name;
    /** VERDICT_WAIT: protect_decide() follows, from the event loop. A policy that sets its bit in
     *  question->inspecting gets the body. */
    struct verdict (*on_request)(void *policy, struct protect_question *question, unsigned number);
    /** Bytes of the body. With VERDICT_WAIT they, and all that follow, are kept from the handler
     *  until this policy says VERDICT_PASS, here or by protect_decide(). Past hold_max bytes the
     *  body streams: a policy that must not let it pass unseen says VERDICT_REFUSE before. */
    struct verdict (*on_body)(void *policy, struct protect_question *question, unsigned number,
                              struct span bytes);
    /** The answer's header, before it is sent; it may be changed. VERDICT_WAIT is no answer here.
     */
    struct verdict (*on_response)(void *policy, struct protect_question *question, unsigned number,
                                  struct http_response *response);
    /** The exchange is over, however it ended; what the policy holds for it is let go of. Called
     *  for every exchange, also for those that an engine refused and on_request never saw. */
    void (*on_closed)(void *policy, struct protect_question *question, unsigned number,
                      enum http_end end);
};

/** @param peers  connection counts of all workers; outlives the result
 *  @param worker  this worker's row in it */
struct protect *protect_create(struct peers *peers, unsigned worker);
/** NULL is fine. */
void protect_destroy(struct protect *protect);
/** The limits in force from now on. */
void protect_set_limits(struct protect *protect, const struct limits_settings *limits);
/** Connections of who is banned are refused from now on; over plain HTTP, which certificate
 *  authorities use, requests are. @param table  outlives `protect` */
void protect_set_bans(struct protect *protect, const struct ban_table *table);
/** Where verdicts are counted from now on. @param counts  outlives `protect` */
void protect_set_counts(struct protect *protect, struct protect_counts *counts);
/** Adds a policy, asked after those before it. @return 0, or ERR_LIMIT */
must_check int protect_add_policy(struct protect *protect, const struct protect_policy *table,
                                  void *policy);

/** Before TLS is spent on a client (again once a PROXY header has named another). Counts it.
 *  @return VERDICT_PASS or VERDICT_REFUSE */
must_check struct verdict protect_accept(struct protect *protect, struct client *client,
                                         nsec_t now);
/** The connection is no more. */
void protect_release(struct protect *protect, struct client *client);

/** The header is complete, site and route are known. To be asked again after a VERDICT_WAIT that
 *  on_verdict() ended with PASS: the policies behind it come then. */
must_check struct verdict protect_request(struct protect *protect,
                                          struct protect_question *question);
/** Bytes of the body came, or its end (`question->body_done`, maybe without bytes).
 *  @return PASS: what was kept and these bytes may go on; WAIT: keep them; ANSWER or REFUSE */
must_check struct verdict protect_body(struct protect *protect, struct protect_question *question,
                                       struct span bytes);
/** An answer is about to be sent. @return PASS, ANSWER or REFUSE */
must_check struct verdict protect_response(struct protect *protect,
                                           struct protect_question *question,
                                           struct http_response *response);
/** A policy that said VERDICT_WAIT has decided. From the event loop, never from inside a stage. */
void protect_decide(struct protect_question *question, unsigned number,
                    const struct verdict *verdict);
/** The last of a request, asked for whatever reached any stage. */
void protect_closed(struct protect *protect, struct protect_question *question, enum http_end end);
