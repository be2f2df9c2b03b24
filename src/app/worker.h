/* The worker process: connections, TLS, HTTP. It holds no private key and opens nothing but files
 * beneath the folders it serves. */
#pragma once

struct worker_start {
    unsigned number;     /**< from 0; stays with a replacement */
    int guardian_socket; /**< SEQPACKET: snapshots and orders come in, news goes out (app/ipc.h) */
    int keys_socket;     /**< SEQPACKET to the keys process, blocking */
    int log_socket;      /**< to the logs process: whole lines, non-blocking */
    const char *user;    /**< whom to become; NULL keeps the present user (not started as root) */
    void *counters;      /**< shared memory of connection counts, all workers'; see protect */
};

/** Runs a worker until it is told to stop or the guardian is gone. @return the exit code */
int worker_run(const struct worker_start *start);
