/* Tokens of http-01 challenges that the workers answer now. */
#include "app/acme_tokens.h"

#include <stdlib.h>

#include "app/acme.h"
#include "app/guardian_state.h"
#include "base/error.h"
#include "base/mem.h"

enum { TOKENS_MAX = 256, TOKEN_BYTES_MAX = 128, TEXT_BYTES_MAX = 256 };

struct token {
    struct list link;
    const void *owner;
    char *token;
    char *text; /* the key authorization */
};

static bool is_base64url(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return text.len > 0 && text.len <= TOKEN_BYTES_MAX;
}

/** TOKEN "." THUMBPRINT. */
static bool is_authorization(struct span text, struct span token)
{
    return text.len <= TEXT_BYTES_MAX && span_starts(text, token) && text.len > token.len + 1 &&
           text.ptr[token.len] == '.' && is_base64url(span_from(text, token.len + 1));
}

static void tell(struct guardian *g, const struct token *token, bool publish)
{
    scoped(mem_release) char *text = mem_format("%s\n%s", token->token, publish ? token->text : "");

    supervise_tell(&g->workers, IPC_ACME_TOKEN, publish, span_str(text));
}

static void forget(struct guardian *g, struct token *token)
{
    tell(g, token, false);
    list_remove(&token->link);
    free(token->token);
    free(token->text);
    free(token);
}

static struct token *find(struct guardian *g, struct span text)
{
    list_for_each (token, spare, &g->acme.tokens, struct token, link)
        if (span_equal(span_str(token->token), text))
            return token;
    return NULL;
}

static size_t count_tokens(struct guardian *g)
{
    size_t count = 0;

    list_for_each (token, spare, &g->acme.tokens, struct token, link)
        count++;
    return count;
}

int acme_token_set(struct guardian *g, const void *owner, struct span text, bool publish)
{
    struct span name, rest = text;

    if (!span_next(&rest, '\n', &name) || !is_base64url(name))
        return ERR_PROTOCOL;
    struct token *token = find(g, name);
    if (token && publish && span_equal(span_str(token->text), rest)) {
        token->owner = owner; /* workers know it: no moment without an answer */
        return 0;
    }
    if (token)
        forget(g, token);
    if (!publish)
        return 0;
    if (!is_authorization(rest, name))
        return ERR_PROTOCOL;
    if (count_tokens(g) >= TOKENS_MAX)
        return ERR_LIMIT;
    token = mem_new(struct token);
    token->owner = owner;
    token->token = mem_string(name);
    token->text = mem_string(rest);
    list_append(&g->acme.tokens, &token->link);
    tell(g, token, true);
    return 0;
}

void acme_tokens_withdraw(struct guardian *g, const void *owner)
{
    list_for_each (token, spare, &g->acme.tokens, struct token, link)
        if (token->owner == owner)
            forget(g, token);
}

void acme_greet_worker(struct guardian *g, int socket)
{
    list_for_each (token, spare, &g->acme.tokens, struct token, link) {
        scoped(mem_release) char *text = mem_format("%s\n%s", token->token, token->text);
        int r = ipc_say(socket, IPC_ACME_TOKEN, true, span_str(text));
        if (r < 0)
            return; /* a worker that takes no message is replaced */
    }
}
