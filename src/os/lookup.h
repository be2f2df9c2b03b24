/* What this machine's own resolver says of a name: /etc/hosts, mDNS, search domains and whatever
 * else the system asks. It may block for long, so a child process asks, or a thread on Windows. */
#pragma once

#include "os/address.h"

enum {
    LOOKUP_ADDRESSES_MAX = 32,
    LOOKUP_ENTRY = 1 + 16 + 4, /**< bytes of an address from the child: family, address, scope */
    LOOKUP_ANSWER_MAX = 4 + LOOKUP_ADDRESSES_MAX * LOOKUP_ENTRY,
};

struct lookup {
    int fd;    /**< readable when the child has something to say */
    int child; /**< its pid; unused on Windows */
    unsigned char answer[LOOKUP_ANSWER_MAX];
    size_t answer_len;
};

struct lookup_result {
    int error; /**< EAI_* of getaddrinfo(3); 0 for success */
    struct socket_address addresses[LOOKUP_ADDRESSES_MAX];
    size_t count;
};

/** Begins. @return 0, or -errno */
must_check int lookup_start(struct lookup *lookup, const char *name);
/** Reads what is there. @return 1 when the answer is complete, 0 when more is to come, or
 *  ERR_PROTOCOL when the child ended without an answer */
must_check int lookup_read(struct lookup *lookup, uint16_t port, struct lookup_result *ret_result);
/** Ends the child if it still runs. Once after each successful lookup_start(). */
void lookup_finish(struct lookup *lookup);

/** The settings that decide it, and the file of names of this machine's own. */
extern const char lookup_place[], lookup_hosts[];

/* ---- between the one who asks and the one who waits ---- */

/** Asks the system, for however long it takes. @return bytes of `out` */
size_t lookup_ask(const char *name, unsigned char out[LOOKUP_ANSWER_MAX]);
/** Reads what lookup_ask() wrote. @return 1, or ERR_PROTOCOL */
must_check int lookup_parse(const unsigned char *bytes, size_t len, uint16_t port,
                            struct lookup_result *ret_result);
