/* How server engines begin. */
#pragma once

#include "http/engine.h"

struct http_events;
struct http_limits;
struct http_pool;

/** What an engine is given at birth; outlives it unless it says so. */
struct http_engine_config {
    const struct http_events *events;
    void *owner;
    const struct http_limits *limits; /**< may be swapped through http_engine_set_limits() */
    struct http_pool *pool;
    const char *date; /**< 29 characters of IMF-fixdate that the worker keeps current */
    bool secure;      /**< scheme of this connection: https */
};

/** A server engine for HTTP/1.0 and 1.1. */
struct http_engine *h1_server_create(const struct http_engine_config *config);
/** A server engine for HTTP/2 over TLS (ALPN h2). */
struct http_engine *h2_server_create(const struct http_engine_config *config);
