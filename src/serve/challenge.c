/* Answers to http-01 challenges. */
#include "serve/challenge.h"

#include <stdlib.h>

#include "base/mem.h"
#include "serve/request.h"
#include "serve/server_state.h"

enum { CHALLENGES_MAX = 1024 };

#define CHALLENGE_PATH SPAN("/.well-known/acme-challenge/")

struct challenge {
    char *token;
    char *text; /* the key authorization */
};

static struct challenge *find(const struct challenges *challenges, struct span token)
{
    for (size_t i = 0; i < challenges->count; i++)
        if (span_equal(span_str(challenges->items[i].token), token))
            return &challenges->items[i];
    return NULL;
}

static void release(struct challenge *challenge)
{
    free(challenge->token);
    free(challenge->text);
}

int challenges_set(struct challenges *challenges, struct span token, struct span text)
{
    struct challenge *challenge = find(challenges, token);

    if (challenge) {
        release(challenge);
        *challenge = challenges->items[--challenges->count];
    }
    if (text.len == 0)
        return 0;
    if (challenges->count >= CHALLENGES_MAX)
        return ERR_LIMIT;
    challenges->items =
        mem_resize(challenges->items, challenges->count + 1, sizeof *challenges->items);
    challenges->items[challenges->count++] =
        (struct challenge){mem_string(token), mem_string(text)};
    return 0;
}

void challenges_finish(struct challenges *challenges)
{
    for (size_t i = 0; i < challenges->count; i++)
        release(&challenges->items[i]);
    free(challenges->items);
    *challenges = (struct challenges){0};
}

static const struct challenge *asked(const struct request *r)
{
    struct span path = r->x->request.path;

    if (!span_starts(path, CHALLENGE_PATH))
        return NULL;
    return find(&r->server->challenges, span_from(path, CHALLENGE_PATH.len));
}

bool challenge_is_asked(const struct request *r)
{
    return asked(r) != NULL;
}

static void start(struct request *r)
{
    const struct challenge *challenge = asked(r);
    struct http_response response;
    struct http_body *body = NULL;

    if (!challenge || request_response(r, 200, 1, &response) < 0 ||
        http_add(&r->x->arena, &response.fields, SPAN("content-type"),
                 SPAN("application/octet-stream")) < 0) {
        request_fail(r, challenge ? 500 : 404, NULL);
        return;
    }
    /* The token may be withdrawn before the answer has gone out. */
    char *text = arena_copy(&r->x->arena, span_str(challenge->text));
    if (text)
        body = request_text_body(r, span_str(text));
    if (!body) {
        request_fail(r, 500, NULL);
        return;
    }
    response.content_length = (int64_t)strlen(text);
    request_respond(r, &response, body);
}

const struct handler challenge_handler = {.name = "acme-challenge", .start = start};
