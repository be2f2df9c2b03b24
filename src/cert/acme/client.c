/* Signed requests to an ACME server. */
#include "cert/acme/client.h"

#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "tls/tls.h"

/* Authorities for tests refuse nine nonces of ten; so many in a row once in 10^9 requests. */
enum { NONCE_TRIES = 200, JWK_MAX = 2048, JWS_MAX = 128 << 10 };

struct acme_client {
    struct acme_client_config config;
    struct acme_transport *transport;
    struct acme_directory directory;
    struct buffer jwk;
    char thumbprint[KEYS_THUMBPRINT_MAX];
    char *account; /* URL, NULL before there is one */
    char *nonce;   /* the next request's, or NULL */
    nsec_t skew;
};

/* ---- failures ---- */

void acme_fail(struct acme_failure *failure, int error, const char *text, ...)
{
    va_list arguments;

    *failure = (struct acme_failure){.error = error};
    va_start(arguments, text);
    vsnprintf(failure->text, sizeof failure->text, text, arguments);
    va_end(arguments);
    for (char *c = failure->text; *c; c++)
        if (*c < ' ' || *c == '\x7f' || (unsigned char)*c >= 0x80)
            *c = '?';
}

void acme_fail_problem(struct acme_failure *failure, const struct acme_problem *problem,
                       const char *what)
{
    acme_fail(failure, ERR_PROTOCOL, "%s: %s%s%s%s%s", what,
              problem->identifier ? problem->identifier : "", problem->identifier ? ": " : "",
              problem->detail && problem->detail[0] ? problem->detail : "no reason given",
              problem->type && problem->type[0] ? ", " : "", problem->type ? problem->type : "");
    snprintf(failure->type, sizeof failure->type, "%s", problem->type ? problem->type : "");
}

static void fail_unreached(struct acme_client *client, int error, const char *url,
                           struct acme_failure *failure)
{
    acme_fail(failure, error, "%s cannot be reached: %s", url,
              acme_transport_reason(client->transport));
}

static void fail_refused(const struct acme_answer *answer, const char *url,
                         struct acme_failure *failure)
{
    struct acme_problem problem;

    acme_problem_read(buffer_span(&answer->body), &problem);
    if (problem.type[0] || problem.detail[0])
        acme_fail_problem(failure, &problem, "the certificate authority refused");
    else
        acme_fail(failure, ERR_PROTOCOL, "%s answered with HTTP status %d", url, answer->status);
    failure->status = answer->status;
    failure->retry_after = answer->retry_after;
    acme_problem_finish(&problem);
}

/* ---- nonces ---- */

/* Keeps what every answer may carry. */
static void take_note(struct acme_client *client, struct acme_answer *answer)
{
    if (answer->nonce) {
        free(client->nonce);
        client->nonce = take(answer->nonce);
    }
    if (answer->date)
        client->skew = answer->date - nsec_realtime();
}

static int fetch_nonce(struct acme_client *client, struct acme_failure *failure)
{
    struct acme_answer answer = {0};

    int r = acme_transport_send(client->transport, ACME_HEAD, client->directory.new_nonce, SPAN(""),
                                &answer);
    if (r < 0) {
        fail_unreached(client, r, client->directory.new_nonce, failure);
        return r;
    }
    take_note(client, &answer);
    if (!client->nonce) {
        acme_fail(failure, ERR_SYNTAX, "%s sends no Replay-Nonce", client->directory.new_nonce);
        failure->status = answer.status;
        failure->retry_after = answer.retry_after;
        r = ERR_SYNTAX;
    }
    acme_answer_finish(&answer);
    return r;
}

/* ---- signing ---- */

/* The protected header of RFC 8555 section 6.2: the account by its URL, or by its key before it has
 * one. @return for free() */
static char *protected_header(struct acme_client *client, const char *url)
{
    const char *alg = keys_jwk_alg(buffer_span(&client->jwk));
    json_t *header =
        json_pack("{s:s, s:s, s:s}", "alg", alg ? alg : "", "nonce", client->nonce, "url", url);

    if (client->account)
        json_object_set_new(header, "kid", json_string(client->account));
    else
        json_object_set_new(header, "jwk", json_loadb(client->jwk.data, client->jwk.len, 0, NULL));
    char *text = header ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

static int sign(struct acme_client *client, const char *url, struct span payload,
                struct buffer *ret_jws, struct acme_failure *failure)
{
    scoped(mem_release) char *header = protected_header(client, url);
    struct buffer jws = buffer_make(JWS_MAX);

    int r = header ? keys_remote_jws(client->config.keys, client->config.account_key,
                                     span_str(header), payload, &jws)
                   : ERR_SYNTAX;
    free(take(client->nonce)); /* whatever comes of it, it is used up */
    if (r < 0) {
        buffer_finish(&jws);
        acme_fail(failure, r, "the keys process did not sign a request: %s", tls_last_error());
        return r;
    }
    *ret_jws = jws;
    return 0;
}

/* One try. @return 0 with an answer of any status, or an error with a failure */
static int post_once(struct acme_client *client, const char *url, struct span payload,
                     struct acme_failure *failure, struct acme_answer *ret_answer)
{
    struct buffer jws;

    int r = client->nonce ? 0 : fetch_nonce(client, failure);
    if (r == 0)
        r = sign(client, url, payload, &jws, failure);
    if (r < 0)
        return r;
    r = acme_transport_send(client->transport, ACME_POST, url, buffer_span(&jws), ret_answer);
    buffer_finish(&jws);
    if (r < 0)
        fail_unreached(client, r, url, failure);
    else
        take_note(client, ret_answer);
    return r;
}

static bool is_success(const struct acme_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

int acme_client_post(struct acme_client *client, const char *url, struct span payload,
                     struct acme_failure *failure, struct acme_answer *ret_answer)
{
    struct acme_answer answer = {0};

    for (int tries = 0;; tries++) {
        int r = post_once(client, url, payload, failure, &answer);
        if (r < 0)
            return r;
        if (is_success(&answer)) {
            *ret_answer = answer;
            return 0;
        }
        fail_refused(&answer, url, failure);
        acme_answer_finish(&answer);
        if (strcmp(failure->type, "badNonce") != 0 || tries + 1 >= NONCE_TRIES)
            return failure->error;
    }
}

int acme_client_get(struct acme_client *client, const char *url, struct acme_failure *failure,
                    struct acme_answer *ret_answer)
{
    struct acme_answer answer = {0};

    int r = acme_transport_send(client->transport, ACME_GET, url, SPAN(""), &answer);
    if (r < 0) {
        fail_unreached(client, r, url, failure);
        return r;
    }
    take_note(client, &answer);
    if (!is_success(&answer)) {
        fail_refused(&answer, url, failure);
        acme_answer_finish(&answer);
        return failure->error;
    }
    *ret_answer = answer;
    return 0;
}

/* ---- a client's life ---- */

static int fetch_directory(struct acme_client *client, struct acme_failure *failure)
{
    const char *url = client->config.directory;
    struct acme_answer answer = {0};

    int r = acme_client_get(client, url, failure, &answer);
    if (r < 0)
        return r;
    r = acme_directory_read(buffer_span(&answer.body), &client->directory);
    acme_answer_finish(&answer);
    if (r < 0)
        acme_fail(failure, ERR_SYNTAX, "%s is not the directory of an ACME server", url);
    return r;
}

static int read_key(struct acme_client *client, struct acme_failure *failure)
{
    int r = keys_remote_jwk(client->config.keys, client->config.account_key, &client->jwk);

    if (r == 0)
        r = keys_jwk_thumbprint(buffer_span(&client->jwk), client->thumbprint);
    if (r < 0)
        acme_fail(failure, r, "the account's key cannot be used: %s", tls_last_error());
    return r;
}

int acme_client_create(const struct acme_client_config *config, struct acme_failure *failure,
                       struct acme_client **ret_client)
{
    const struct acme_transport_config transport = {config->ca_pem, config->user_agent};
    struct acme_client *client = mem_new(struct acme_client);

    client->config = *config;
    client->jwk = buffer_make(JWK_MAX);
    int r = acme_transport_create(&transport, &client->transport);
    if (r < 0)
        acme_fail(failure, r, "libcurl cannot be used");
    if (r == 0)
        r = read_key(client, failure);
    if (r == 0)
        r = fetch_directory(client, failure);
    if (r < 0) {
        acme_client_destroy(client);
        return r;
    }
    *ret_client = client;
    return 0;
}

void acme_client_destroy(struct acme_client *client)
{
    if (!client)
        return;
    acme_transport_destroy(client->transport);
    acme_directory_finish(&client->directory);
    buffer_finish(&client->jwk);
    free(client->account);
    free(client->nonce);
    free(client);
}

const struct acme_directory *acme_client_directory(const struct acme_client *client)
{
    return &client->directory;
}

const char *acme_client_thumbprint(const struct acme_client *client)
{
    return client->thumbprint;
}

nsec_t acme_client_skew(const struct acme_client *client)
{
    return client->skew;
}

/* ---- the account ---- */

/* The inner JWS of an external account binding (RFC 8555 section 7.3.4).
 * @return a new reference, or NULL with a failure */
static json_t *bind_account(struct acme_client *client, struct acme_failure *failure)
{
    json_t *fields = json_pack("{s:s, s:s, s:s}", "alg", "HS256", "kid", client->config.eab_kid,
                               "url", client->directory.new_account);
    scoped(mem_release) char *header = fields ? json_dumps(fields, JSON_COMPACT) : NULL;
    struct buffer jws = buffer_make(JWS_MAX);

    json_decref(fields);
    int r = header ? keys_remote_jws(client->config.keys, client->config.eab_secret,
                                     span_str(header), buffer_span(&client->jwk), &jws)
                   : ERR_SYNTAX;
    json_t *bound = r == 0 ? json_loadb(jws.data, jws.len, 0, NULL) : NULL;
    buffer_finish(&jws);
    if (!bound)
        acme_fail(failure, ERR_TLS, "the external account binding cannot be signed: %s",
                  tls_last_error());
    return bound;
}

/* @return the answer's Location in `ret_url`, or an error with a failure */
static int ask_account(struct acme_client *client, json_t *request, struct acme_failure *failure,
                       char **ret_url)
{
    scoped(mem_release) char *text = json_dumps(request, JSON_COMPACT);
    struct acme_answer answer = {0};

    int r =
        acme_client_post(client, client->directory.new_account, span_str(text), failure, &answer);
    if (r < 0)
        return r;
    if (!answer.location || strncmp(answer.location, "https://", 8) != 0) {
        acme_fail(failure, ERR_SYNTAX, "the certificate authority sends no URL for the account");
        r = ERR_SYNTAX;
    } else {
        client->account = mem_string(span_str(answer.location));
        *ret_url = mem_string(span_str(answer.location));
    }
    acme_answer_finish(&answer);
    return r;
}

static int new_account(struct acme_client *client, const char *email, struct acme_failure *failure,
                       char **ret_url)
{
    json_t *request = json_pack("{s:b}", "termsOfServiceAgreed", 1);

    if (email)
        json_object_set_new(request, "contact", json_pack("[s+]", "mailto:", email));
    if (client->config.eab_kid) {
        json_t *bound = bind_account(client, failure);
        if (!bound) {
            json_decref(request);
            return ERR_TLS;
        }
        json_object_set_new(request, "externalAccountBinding", bound);
    } else if (client->directory.needs_eab) {
        acme_fail(failure, ERR_SETTINGS,
                  "this certificate authority needs an external account binding: set acme.eab with "
                  "the key id and the secret that it gave you");
        json_decref(request);
        return ERR_SETTINGS;
    }
    int r = ask_account(client, request, failure, ret_url);
    json_decref(request);
    return r;
}

int acme_client_account(struct acme_client *client, const char *known_url, const char *email,
                        struct acme_failure *failure, char **ret_url)
{
    if (known_url) {
        client->account = mem_string(span_str(known_url));
        *ret_url = mem_string(span_str(known_url));
        return 0;
    }
    json_t *request = json_pack("{s:b}", "onlyReturnExisting", 1);
    int r = ask_account(client, request, failure, ret_url);
    json_decref(request);
    if (r == ERR_PROTOCOL && strcmp(failure->type, "accountDoesNotExist") == 0)
        r = new_account(client, email, failure, ret_url);
    return r;
}
