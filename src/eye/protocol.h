/* What an asker and an eye say to each other: a line of JSON each, in this order.
 *
 *   asker  {"gardien_eye": 1, "nonce": HEX}
 *   eye    {"nonce": HEX, "proof": HEX}
 *   asker  {"proof": HEX, "port": 443, "seconds": 10, "name": "example.com"}
 *   eye    {"source": "192.0.2.7", "check": {...}} or {"source": …, "error": WORD, "wait": 12}
 *
 * There is no field for an address: the eye probes the one that the connection came from. */
#pragma once

#include <jansson.h>

#include "base/buffer.h"
#include "eye/key.h"
#include "report/finding.h"

enum {
    EYE_LINE_MAX = 2048,         /**< bytes of a line of the asker, and of the eye's first */
    EYE_ANSWER_MAX = 512 * 1024, /**< bytes of the eye's answer */
    EYE_FINDINGS_MAX = 300,
    EYE_TEXT_MAX = 2000, /**< bytes kept of a sentence */
    EYE_NAME_MAX = 253,
    EYE_SECONDS_MAX = 30,
};

struct eye_greeting {
    unsigned char nonce[EYE_NONCE];
    unsigned char proof[EYE_PROOF]; /**< of the eye; zeroes in the asker's */
};

struct eye_request {
    unsigned char proof[EYE_PROOF];
    uint16_t port;
    unsigned seconds;            /**< 1..EYE_SECONDS_MAX */
    char name[EYE_NAME_MAX + 1]; /**< for SNI and Host; "" for none. No IP address */
};

enum eye_error {
    EYE_NO_ERROR,
    EYE_WRONG_KEY, /**< the asker's proof does not hold */
    EYE_LIMITED,   /**< ask again after `wait` seconds */
    EYE_ITSELF,    /**< asker and eye are the same machine */
    EYE_FAILED,    /**< the eye's machine lacks what the check needs */
    EYE_UNCLEAR,   /**< the request breaks the rules */
};

struct eye_answer {
    enum eye_error error;
    unsigned wait;
    char source[64]; /**< the address that the eye saw, and probed */
    bool open;
    char *verdict, *hint; /**< escaped; hint may be NULL */
    struct findings findings;
    json_t *metrics; /**< an object, or NULL */
};

void eye_hello_write(const struct eye_greeting *hello, struct buffer *out);
void eye_greeting_write(const struct eye_greeting *greeting, struct buffer *out);
void eye_request_write(const struct eye_request *request, struct buffer *out);
/** @param check  what check_json() yields; the reference is taken; NULL with an error
 *  @return 0, or ERR_LIMIT when it is longer than EYE_ANSWER_MAX */
must_check int eye_answer_write(const struct eye_answer *answer, json_t *result,
                                struct buffer *out);

/** Each of these: @return 0, or ERR_SYNTAX. A field that is unknown is passed over. */
must_check int eye_hello_read(struct span line, struct eye_greeting *ret_hello);
must_check int eye_greeting_read(struct span line, struct eye_greeting *ret_greeting);
must_check int eye_request_read(struct span line, struct eye_request *ret_request);
/** Text of the eye is escaped, and cut to EYE_TEXT_MAX: an eye may lie. To be finished after 0 */
must_check int eye_answer_read(struct span line, struct eye_answer *ret_answer);
void eye_answer_finish(struct eye_answer *answer);
/** "limit" for EYE_LIMITED… */
const char *eye_error_word(enum eye_error error);
