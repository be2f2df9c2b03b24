/* Between the eye's server and the process of one connection. */
#pragma once

#include "eye/server.h"
#include "eye/stream.h"

enum {
    EYE_ASK_ADMISSION = 'a'
}; /* the process asks its parent, who answers with seconds to wait */

struct eye_connection {
    const struct eye_options *options;
    struct tls_context *tls;
    unsigned char certificate[CERT_FINGERPRINT_SIZE];
    int fd;        /**< of the asker */
    int admission; /**< to the parent */
};

/** Speaks with one asker, in a process of its own. */
void eye_connection_run(const struct eye_connection *connection);
