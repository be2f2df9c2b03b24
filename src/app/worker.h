/* The worker process: connections, TLS, HTTP. It holds no private key and opens nothing but files
 * beneath the folders it serves. */
#pragma once

struct protect_shared;

/** What a worker is asked to be (process_start.question). It runs until it is told to stop or the
 *  guardian is gone. */
struct worker_start {
    unsigned number;               /**< from 0; stays with a replacement */
    struct protect_shared *shared; /**< counts and rates of all workers */
};
