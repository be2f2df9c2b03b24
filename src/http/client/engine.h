/* What every client engine has in common: the table of its operations. */
#pragma once

#include "http/client/client.h"

struct http_client_ops {
    void (*call)(struct http_client *client, struct http_call *call);
    bool (*is_free)(const struct http_client *client);
    bool (*is_over)(const struct http_client *client);
    int (*receive)(struct http_client *client, struct span bytes);
    void (*eof)(struct http_client *client, bool clean);
    ssize_t (*produce)(struct http_client *client, char *out, size_t cap);
    bool (*wants_input)(const struct http_client *client);
    void (*resume)(struct http_client *client, struct http_call *call);
    void (*cancel)(struct http_client *client, struct http_call *call);
    void (*destroy)(struct http_client *client);
};

/** Embedded first in each engine's own struct. */
struct http_client {
    const struct http_client_ops *ops;
    const struct http_client_limits *limits;
};
