/* Reads the JSON documents of an ACME server. */
#include "cert/acme/message.h"

#include <jansson.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"

#define ERROR_PREFIX SPAN("urn:ietf:params:acme:error:")

enum { DETAIL_MAX = 1024, NAME_MAX_LEN = 255 };

/** A server's document, or NULL for text that is no JSON object. */
static json_t *load(struct span text)
{
    if (text.len > ACME_BODY_MAX)
        return NULL;
    json_t *root = json_loadb(text.ptr ? text.ptr : "", text.len, JSON_REJECT_DUPLICATES, NULL);
    if (root && !json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static struct span text_of(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);

    if (!json_is_string(value))
        return span_of(NULL, 0);
    return span_of(json_string_value(value), json_string_length(value));
}

/** An https URL of printable ASCII. */
static bool is_url(struct span text)
{
    if (!span_starts(text, SPAN("https://")) || text.len > ACME_URL_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] >= 0x7f)
            return false;
    return true;
}

/** @return the URL under `key`, or NULL when there is none or it is not usable */
static char *url_of(const json_t *object, const char *key)
{
    struct span text = text_of(object, key);

    return is_url(text) ? mem_string(text) : NULL;
}

static void free_strings(char **items, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(items[i]);
    free(items);
}

/* ---- directory ---- */

static void read_profiles(const json_t *meta, struct acme_directory *directory)
{
    const json_t *profiles = json_object_get(meta, "profiles");
    void *at = json_object_iter((json_t *)profiles);

    directory->profiles = mem_zalloc(ACME_PROFILES_MAX * sizeof *directory->profiles);
    for (; at && directory->profile_count < ACME_PROFILES_MAX;
         at = json_object_iter_next((json_t *)profiles, at))
        directory->profiles[directory->profile_count++] =
            mem_string(span_str(json_object_iter_key(at)));
}

static void read_caa(const json_t *meta, struct acme_directory *directory)
{
    const json_t *list = json_object_get(meta, "caaIdentities");
    size_t count =
        json_array_size(list) < ACME_PROFILES_MAX ? json_array_size(list) : ACME_PROFILES_MAX;

    directory->caa = mem_zalloc((count + 1) * sizeof *directory->caa);
    for (size_t i = 0; i < count; i++) {
        const json_t *name = json_array_get(list, i);
        if (json_is_string(name) && json_string_length(name) <= NAME_MAX_LEN)
            directory->caa[directory->caa_count++] =
                mem_string(span_of(json_string_value(name), json_string_length(name)));
    }
}

int acme_directory_read(struct span text, struct acme_directory *ret_directory)
{
    json_t *root = load(text);
    const json_t *meta = json_object_get(root, "meta");

    if (!root)
        return ERR_SYNTAX;
    struct acme_directory directory = {
        .new_nonce = url_of(root, "newNonce"),
        .new_account = url_of(root, "newAccount"),
        .new_order = url_of(root, "newOrder"),
        .revoke_cert = url_of(root, "revokeCert"),
        .key_change = url_of(root, "keyChange"),
        .renewal_info = url_of(root, "renewalInfo"),
        .terms = url_of(meta, "termsOfService"),
        .needs_eab = json_is_true(json_object_get(meta, "externalAccountRequired")),
    };
    read_profiles(meta, &directory);
    read_caa(meta, &directory);
    json_decref(root);
    if (!directory.new_nonce || !directory.new_account || !directory.new_order) {
        acme_directory_finish(&directory);
        return ERR_SYNTAX;
    }
    *ret_directory = directory;
    return 0;
}

void acme_directory_finish(struct acme_directory *directory)
{
    free(directory->new_nonce);
    free(directory->new_account);
    free(directory->new_order);
    free(directory->revoke_cert);
    free(directory->key_change);
    free(directory->renewal_info);
    free(directory->terms);
    free_strings(directory->profiles, directory->profile_count);
    free_strings(directory->caa, directory->caa_count);
    *directory = (struct acme_directory){0};
}

/* ---- problems ---- */

static char *cut(struct span text, size_t max)
{
    return mem_string(span_of(text.ptr ? text.ptr : "", text.len < max ? text.len : max));
}

static void read_problem(const json_t *object, struct acme_problem *problem)
{
    struct span type = text_of(object, "type");
    const json_t *parts = json_object_get(object, "subproblems");

    if (span_starts(type, ERROR_PREFIX))
        type = span_from(type, ERROR_PREFIX.len);
    *problem = (struct acme_problem){.type = cut(type, DETAIL_MAX),
                                     .detail = cut(text_of(object, "detail"), DETAIL_MAX)};
    for (size_t i = 0; i < json_array_size(parts) && !problem->identifier; i++) {
        struct span name =
            text_of(json_object_get(json_array_get(parts, i), "identifier"), "value");
        if (name.len)
            problem->identifier = cut(name, NAME_MAX_LEN);
    }
}

void acme_problem_read(struct span text, struct acme_problem *ret_problem)
{
    json_t *root = load(text);

    read_problem(root, ret_problem);
    json_decref(root);
}

void acme_problem_finish(struct acme_problem *problem)
{
    free(problem->type);
    free(problem->detail);
    free(problem->identifier);
    *problem = (struct acme_problem){0};
}

/* ---- orders ---- */

static enum acme_status status_of(const json_t *object)
{
    static const struct {
        struct span word;
        enum acme_status status;
    } words[] = {
        {SPAN("pending"), ACME_PENDING},       {SPAN("ready"), ACME_READY},
        {SPAN("processing"), ACME_PROCESSING}, {SPAN("valid"), ACME_VALID},
        {SPAN("invalid"), ACME_INVALID},       {SPAN("deactivated"), ACME_DEACTIVATED},
        {SPAN("expired"), ACME_EXPIRED},       {SPAN("revoked"), ACME_REVOKED},
    };
    struct span text = text_of(object, "status");

    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_equal(text, words[i].word))
            return words[i].status;
    return ACME_UNKNOWN;
}

/** @return 0, or ERR_SYNTAX, ERR_LIMIT */
static int read_authorizations(const json_t *root, struct acme_order *order)
{
    const json_t *list = json_object_get(root, "authorizations");
    size_t count = json_array_size(list);

    if (!json_is_array(list) || count == 0)
        return ERR_SYNTAX;
    if (count > ACME_NAMES_MAX)
        return ERR_LIMIT;
    order->authorizations = mem_zalloc(count * sizeof *order->authorizations);
    for (size_t i = 0; i < count; i++) {
        const json_t *url = json_array_get(list, i);
        struct span text = span_of(json_string_value(url), json_string_length(url));
        if (!json_is_string(url) || !is_url(text))
            return ERR_SYNTAX;
        order->authorizations[order->authorization_count++] = mem_string(text);
    }
    return 0;
}

int acme_order_read(struct span text, struct acme_order *ret_order)
{
    json_t *root = load(text);

    if (!root)
        return ERR_SYNTAX;
    struct acme_order order = {
        .status = status_of(root),
        .finalize = url_of(root, "finalize"),
        .certificate = url_of(root, "certificate"),
    };
    int r = read_authorizations(root, &order);
    if (r == 0 && (!order.finalize || order.status == ACME_UNKNOWN ||
                   (order.status == ACME_VALID && !order.certificate)))
        r = ERR_SYNTAX;
    if (r == 0 && json_is_object(json_object_get(root, "error")))
        read_problem(json_object_get(root, "error"), &order.error);
    json_decref(root);
    if (r < 0)
        acme_order_finish(&order);
    else
        *ret_order = order;
    return r;
}

void acme_order_finish(struct acme_order *order)
{
    free(order->finalize);
    free(order->certificate);
    free_strings(order->authorizations, order->authorization_count);
    acme_problem_finish(&order->error);
    *order = (struct acme_order){0};
}

/* ---- authorizations ---- */

static enum acme_challenge_type type_of(struct span text)
{
    return span_equal(text, SPAN("http-01"))       ? ACME_HTTP_01
           : span_equal(text, SPAN("dns-01"))      ? ACME_DNS_01
           : span_equal(text, SPAN("tls-alpn-01")) ? ACME_TLS_ALPN_01
                                                   : ACME_OTHER;
}

/** A token becomes part of a path and of file names: base64url only (RFC 8555 section 8.3). */
static bool is_token(struct span text)
{
    if (text.len < 22 || text.len > ACME_TOKEN_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z';
        if (!letter && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return false;
    }
    return true;
}

/** Adds a challenge of a type that we know and that can be used. */
static void read_challenge(const json_t *object, struct acme_authorization *authorization)
{
    struct span token = text_of(object, "token");
    enum acme_challenge_type type = type_of(text_of(object, "type"));
    char *url = url_of(object, "url");

    if (type == ACME_OTHER || !url || !is_token(token) ||
        authorization->challenge_count >= ACME_CHALLENGES_MAX) {
        free(url);
        return;
    }
    struct acme_challenge *challenge = &authorization->challenges[authorization->challenge_count++];
    *challenge = (struct acme_challenge){
        .type = type, .status = status_of(object), .url = url, .token = mem_string(token)};
    if (json_is_object(json_object_get(object, "error")))
        read_problem(json_object_get(object, "error"), &challenge->error);
}

int acme_authorization_read(struct span text, struct acme_authorization *ret_auth)
{
    json_t *root = load(text);
    struct span name = text_of(json_object_get(root, "identifier"), "value");
    const json_t *list = json_object_get(root, "challenges");
    int r = root && name.len && json_is_array(list) ? 0 : ERR_SYNTAX;

    if (r == 0 && name.len > NAME_MAX_LEN)
        r = ERR_LIMIT;
    if (r == 0) {
        struct acme_authorization authorization = {
            .status = status_of(root),
            .name = mem_string(name),
            .wildcard = json_is_true(json_object_get(root, "wildcard")),
        };
        for (size_t i = 0; i < json_array_size(list); i++)
            read_challenge(json_array_get(list, i), &authorization);
        *ret_auth = authorization;
    }
    json_decref(root);
    return r;
}

void acme_authorization_finish(struct acme_authorization *authorization)
{
    for (size_t i = 0; i < authorization->challenge_count; i++) {
        free(authorization->challenges[i].url);
        free(authorization->challenges[i].token);
        acme_problem_finish(&authorization->challenges[i].error);
    }
    free(authorization->name);
    *authorization = (struct acme_authorization){0};
}

/* ---- renewal information ---- */

static bool digits(struct span text, size_t at, size_t count, int *ret_number)
{
    uint64_t number;

    if (at + count > text.len || span_to_uint(span_of(text.ptr + at, count), &number) < 0)
        return false;
    *ret_number = (int)number;
    return true;
}

/** The offset of a time zone: "Z", "+01:00". @return whether it is one, in minutes */
static bool read_zone(struct span text, int *ret_minutes)
{
    int hours, minutes;

    *ret_minutes = 0;
    if (span_equal(text, SPAN("Z")) || span_equal(text, SPAN("z")))
        return true;
    if (text.len != 6 || (text.ptr[0] != '+' && text.ptr[0] != '-') || text.ptr[3] != ':' ||
        !digits(text, 1, 2, &hours) || !digits(text, 4, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = (hours * 60 + minutes) * (text.ptr[0] == '-' ? -1 : 1);
    return true;
}

int acme_time_read(struct span text, nsec_t *ret_time)
{
    struct tm tm = {0};
    int zone;

    if (text.len < 20 || text.ptr[4] != '-' || text.ptr[7] != '-' ||
        (text.ptr[10] != 'T' && text.ptr[10] != 't') || text.ptr[13] != ':' || text.ptr[16] != ':')
        return ERR_SYNTAX;
    if (!digits(text, 0, 4, &tm.tm_year) || !digits(text, 5, 2, &tm.tm_mon) ||
        !digits(text, 8, 2, &tm.tm_mday) || !digits(text, 11, 2, &tm.tm_hour) ||
        !digits(text, 14, 2, &tm.tm_min) || !digits(text, 17, 2, &tm.tm_sec))
        return ERR_SYNTAX;
    if (tm.tm_year < 1970 || tm.tm_year > 2200 || tm.tm_mon < 1 || tm.tm_mon > 12 ||
        tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 || tm.tm_sec > 60)
        return ERR_SYNTAX;
    struct span rest = span_from(text, 19);
    if (rest.len && rest.ptr[0] == '.') { /* a fraction of a second is of no use here */
        size_t i = 1;
        while (i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9')
            i++;
        if (i == 1)
            return ERR_SYNTAX;
        rest = span_from(rest, i);
    }
    if (!read_zone(rest, &zone))
        return ERR_SYNTAX;
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    *ret_time = ((nsec_t)timegm(&tm) - zone * 60) * NSEC_PER_SEC;
    return 0;
}

int acme_renewal_info_read(struct span text, struct acme_renewal_info *ret_info)
{
    json_t *root = load(text);
    const json_t *window = json_object_get(root, "suggestedWindow");
    struct acme_renewal_info info = {0};

    int r = acme_time_read(text_of(window, "start"), &info.start);
    if (r == 0)
        r = acme_time_read(text_of(window, "end"), &info.end);
    if (r == 0 && info.end <= info.start)
        r = ERR_SYNTAX;
    if (r == 0) {
        info.explanation_url = url_of(root, "explanationURL");
        *ret_info = info;
    }
    json_decref(root);
    return r;
}

void acme_renewal_info_finish(struct acme_renewal_info *info)
{
    free(info->explanation_url);
    *info = (struct acme_renewal_info){0};
}
