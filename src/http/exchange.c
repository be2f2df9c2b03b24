/* The operations on an exchange that are the same for every version, down to its table. */
#include "http/exchange.h"

void http_respond(struct http_exchange *x, const struct http_response *response,
                  struct http_body *body)
{
    if (x->responded) { /* the engine had to answer first, to a body that broke its framing */
        if (body && body->close)
            body->close(body);
        return;
    }
    x->response = *response;
    x->body = body;
    x->responded = true;
    x->ops->respond(x);
}

void http_inform(struct http_exchange *x, int status, const struct http_fields *fields)
{
    static const struct http_fields none = {0};

    if (!x->responded && x->request.version != HTTP_1_0)
        x->ops->inform(x, status, fields ? fields : &none);
}

void http_resume(struct http_exchange *x)
{
    x->ops->resume(x);
}

void http_reset(struct http_exchange *x)
{
    x->ops->reset(x);
}

void http_stream_body(struct http_exchange *x)
{
    x->streams_body = true;
}

void http_discard_body(struct http_exchange *x)
{
    x->streams_body = false;
    http_consume(x, x->held);
}

void http_consume(struct http_exchange *x, uint64_t bytes)
{
    if (bytes > x->held)
        bytes = x->held;
    if (bytes == 0)
        return;
    x->held -= bytes;
    if (x->load)
        x->load->held -= bytes;
    x->ops->consume(x, bytes);
}

void http_charge(struct http_exchange *x, int64_t memory, int descriptors)
{
    x->memory += memory;
    x->descriptors += descriptors;
    if (!x->load)
        return;
    x->load->memory += memory;
    x->load->descriptors += descriptors;
}
