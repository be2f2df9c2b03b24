/* The access log: one line an answer, in nginx's combined form, the same with
 * more behind it, or JSON, handed to the logs
 * process without ever waiting for it. */
#pragma once

#include "base/buffer.h"
#include "base/nsec.h"
#include "base/span.h"
#include "config/config.h"
#include "http/http.h"
#include "protect/protect.h"

/** In the order of the words in settings. */
enum access_format { ACCESS_COMBINED, ACCESS_COMBINED_PLUS, ACCESS_JSON };

struct access_log;

/** What is known of an answer once it is over. */
struct access_entry {
    const struct http_exchange *exchange;
    const struct client *client;
    /** Names of query parameters whose values are not written, compared without regard to case;
     *  NULL: none. */
    const struct config_strings *redact;
    enum http_end end;
    struct span request_id;
    nsec_t now;         /**< monotonic */
    nsec_t wall;        /**< wall-clock time of the end */
    const char *reason; /**< why it was refused or cut off; NULL when nothing is to be said */
};

/** Names of query parameters whose values are secrets: passwords and tokens that forms and links
 *  carry. */
#define ACCESS_REDACT_DEFAULT                                                                      \
    "[password, passwd, pwd, pass, secret, client_secret, token, access_token, refresh_token, "    \
    "id_token, auth, authorization, api_key, apikey, key, code, session, sessionid, sig, "         \
    "signature, otp]"

/** @param fd  non-blocking SEQPACKET socket to the logs process; stays the caller's. Each message
 * is up to 32 KiB of whole lines behind one byte that says which log ('a') */
struct access_log *access_log_create(enum access_format format, int fd);
/** The logs process was replaced: its new socket. */
void access_log_set_fd(struct access_log *log, int fd);
/** Flushes what can be flushed. NULL is fine. */
void access_log_destroy(struct access_log *log);
/** Formats a line. Past 256 KiB that the logs process has not taken, lines are counted and dropped;
 *  the count is told in the error log ('e') once there is room. */
void access_log_add(struct access_log *log, const struct access_entry *entry);
/** Hands over what has gathered; at the end of each round of the loop. */
void access_log_flush(struct access_log *log);

/** Formats one line with its newline; for tests and for access_log_add(). A peer's text is escaped
 *  (\xHH as nginx does for combined), so that a line is always one line.
 *  @return 0, or ERR_LIMIT */
must_check int access_log_format(enum access_format format, const struct access_entry *entry,
                                 struct buffer *out);
