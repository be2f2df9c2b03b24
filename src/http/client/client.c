/* The dispatch from the neutral calls to an engine's table. */
#include "base/error.h"
#include "http/client/engine.h"

void http_client_destroy(struct http_client *client)
{
    if (!client)
        return;
    client->ops->eof(client, false);
    client->ops->destroy(client);
}

void http_client_call(struct http_client *client, struct http_call *call)
{
    call->client = client;
    client->ops->call(client, call);
}

bool http_client_is_free(const struct http_client *client)
{
    return client->ops->is_free(client);
}

bool http_client_is_over(const struct http_client *client)
{
    return client->ops->is_over(client);
}

int http_client_receive(struct http_client *client, struct span bytes)
{
    return client->ops->receive(client, bytes);
}

void http_client_eof(struct http_client *client, bool clean)
{
    client->ops->eof(client, clean);
}

ssize_t http_client_produce(struct http_client *client, char *out, size_t cap)
{
    return client->ops->produce(client, out, cap);
}

bool http_client_wants_input(const struct http_client *client)
{
    return client->ops->wants_input(client);
}

void http_call_resume(struct http_call *call)
{
    if (call->client)
        call->client->ops->resume(call->client, call);
}

void http_call_consume(struct http_call *call, size_t count)
{
    call->held -= count < call->held ? count : call->held;
}

void http_call_cancel(struct http_call *call)
{
    struct http_client *client = take(call->client);

    if (client)
        client->ops->cancel(client, call);
}
