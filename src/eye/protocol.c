/* The lines, written and read. Each reader takes a whole line of at most the size that its caller
 * allowed; jansson refuses doubled keys, bad UTF-8 and depths beyond its own bound. */
#include "eye/protocol.h"

#include <stdlib.h>

#include "base/escape.h"
#include "base/mem.h"
#include "os/address.h"
#include "report/printer.h"

static const char *const error_words[] = {
    [EYE_NO_ERROR] = "",   [EYE_WRONG_KEY] = "key", [EYE_LIMITED] = "limit",
    [EYE_ITSELF] = "self", [EYE_FAILED] = "check",  [EYE_UNCLEAR] = "request",
};

const char *eye_error_word(enum eye_error error)
{
    return error_words[error];
}

/* ---- writing ---- */

static void hex_text(const unsigned char *bytes, size_t len, char *out)
{
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = "0123456789abcdef"[bytes[i] >> 4];
        out[2 * i + 1] = "0123456789abcdef"[bytes[i] & 15];
    }
    out[2 * len] = '\0';
}

static int write_line(json_t *object, struct buffer *out)
{
    scoped(mem_release) char *text = object ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);
    return text ? buffer_printf(out, "%s\n", text) : ERR_SYNTAX;
}

static void write_short(json_t *object, struct buffer *out)
{
    if (write_line(object, out) < 0)
        abort(); /* what we write ourselves fits */
}

void eye_hello_write(const struct eye_greeting *hello, struct buffer *out)
{
    char nonce[2 * EYE_NONCE + 1];

    hex_text(hello->nonce, EYE_NONCE, nonce);
    write_short(json_pack("{s:i, s:s}", "gardien_eye", 1, "nonce", nonce), out);
}

void eye_greeting_write(const struct eye_greeting *greeting, struct buffer *out)
{
    char nonce[2 * EYE_NONCE + 1], proof[2 * EYE_PROOF + 1];

    hex_text(greeting->nonce, EYE_NONCE, nonce);
    hex_text(greeting->proof, EYE_PROOF, proof);
    write_short(json_pack("{s:s, s:s}", "nonce", nonce, "proof", proof), out);
}

void eye_request_write(const struct eye_request *request, struct buffer *out)
{
    char proof[2 * EYE_PROOF + 1];

    hex_text(request->proof, EYE_PROOF, proof);
    write_short(json_pack("{s:s, s:i, s:i, s:s}", "proof", proof, "port", request->port, "seconds",
                          (int)request->seconds, "name", request->name),
                out);
}

int eye_answer_write(const struct eye_answer *answer, json_t *result, struct buffer *out)
{
    if (answer->error)
        return write_line(json_pack("{s:s, s:s, s:i}", "source", answer->source, "error",
                                    error_words[answer->error], "wait", (int)answer->wait),
                          out);
    return write_line(json_pack("{s:s, s:o}", "source", answer->source, "check", result), out);
}

/* ---- reading ---- */

static json_t *parse(struct span line)
{
    json_t *root = json_loadb(line.ptr ? line.ptr : "", line.len, JSON_REJECT_DUPLICATES, NULL);

    if (!json_is_object(root)) {
        json_decref(root);
        return NULL;
    }
    return root;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool read_hex(const json_t *root, const char *key, unsigned char *out, size_t len)
{
    const json_t *value = json_object_get(root, key);
    const char *text = json_string_value(value);

    if (!text || json_string_length(value) != 2 * len)
        return false;
    for (size_t i = 0; i < len; i++) {
        int high = hex_digit(text[2 * i]), low = hex_digit(text[2 * i + 1]);
        if (high < 0 || low < 0)
            return false;
        out[i] = (unsigned char)(high << 4 | low);
    }
    return true;
}

static bool read_number(const json_t *root, const char *key, json_int_t min, json_int_t max,
                        json_int_t *ret)
{
    const json_t *value = json_object_get(root, key);

    *ret = json_integer_value(value);
    return json_is_integer(value) && *ret >= min && *ret <= max;
}

int eye_hello_read(struct span line, struct eye_greeting *ret_hello)
{
    struct eye_greeting hello = {{0}, {0}};
    json_t *root = parse(line);
    json_int_t version;

    bool fine = root && read_number(root, "gardien_eye", 1, 1, &version) &&
                read_hex(root, "nonce", hello.nonce, EYE_NONCE);
    json_decref(root);
    if (fine)
        *ret_hello = hello;
    return fine ? 0 : ERR_SYNTAX;
}

int eye_greeting_read(struct span line, struct eye_greeting *ret_greeting)
{
    struct eye_greeting greeting = {{0}, {0}};
    json_t *root = parse(line);

    bool fine = root && read_hex(root, "nonce", greeting.nonce, EYE_NONCE) &&
                read_hex(root, "proof", greeting.proof, EYE_PROOF);
    json_decref(root);
    if (fine)
        *ret_greeting = greeting;
    return fine ? 0 : ERR_SYNTAX;
}

/* Letters, digits, '-', '_' and '.', and no IP address: a name is only text here. */
static bool is_name(const char *name)
{
    struct socket_address address;

    for (const char *c = name; *c; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9') || *c == '-' || *c == '_' ||
              *c == '.'))
            return false;
    return address_from_ip(name, 0, &address) < 0;
}

static bool read_name(const json_t *root, char out[EYE_NAME_MAX + 1])
{
    const json_t *value = json_object_get(root, "name");
    const char *name = json_string_value(value);

    if (!value)
        return true;
    if (!name || json_string_length(value) > EYE_NAME_MAX || !is_name(name))
        return false;
    memcpy(out, name, json_string_length(value) + 1);
    return true;
}

int eye_request_read(struct span line, struct eye_request *ret_request)
{
    struct eye_request request = {.port = 0};
    json_t *root = parse(line);
    json_int_t port = 0, seconds = 0;

    bool fine = root && read_hex(root, "proof", request.proof, EYE_PROOF) &&
                read_number(root, "port", 1, UINT16_MAX, &port) &&
                read_number(root, "seconds", 1, EYE_SECONDS_MAX, &seconds) &&
                read_name(root, request.name);
    json_decref(root);
    if (!fine)
        return ERR_SYNTAX;
    request.port = (uint16_t)port;
    request.seconds = (unsigned)seconds;
    *ret_request = request;
    return 0;
}

/* A string of the eye as one that a terminal obeys nothing of. @return for free(), or NULL */
static char *tame(const json_t *value)
{
    size_t len = json_string_length(value);

    if (!json_is_string(value))
        return NULL;
    return escape_text(span_of(json_string_value(value), len > EYE_TEXT_MAX ? EYE_TEXT_MAX : len));
}

static bool read_grade(const json_t *item, enum finding_grade *ret_grade)
{
    const char *word = json_string_value(json_object_get(item, "grade"));

    for (int grade = FINDING_GOOD; word && grade <= FINDING_BAD; grade++)
        if (strcmp(word, finding_grade_name((enum finding_grade)grade)) == 0) {
            *ret_grade = (enum finding_grade)grade;
            return true;
        }
    return false;
}

static bool is_topic(const char *topic)
{
    size_t len = topic ? strlen(topic) : 0;

    for (size_t i = 0; i < len; i++)
        if (!((topic[i] >= 'a' && topic[i] <= 'z') || (topic[i] >= '0' && topic[i] <= '9') ||
              topic[i] == '-'))
            return false;
    return len > 0 && len <= 32;
}

static int read_finding(const json_t *item, struct findings *findings)
{
    const char *topic = json_string_value(json_object_get(item, "topic"));
    scoped(mem_release) char *sentence = tame(json_object_get(item, "sentence"));
    scoped(mem_release) char *subject = tame(json_object_get(item, "subject"));
    scoped(mem_release) char *hint = tame(json_object_get(item, "hint"));
    double took = json_number_value(json_object_get(item, "milliseconds"));
    json_t *facts = json_object_get(item, "facts");
    enum finding_grade grade;

    if (!is_topic(topic) || !sentence || !read_grade(item, &grade))
        return ERR_SYNTAX;
    struct finding *finding = findings_add(findings, grade, topic, "%s", sentence);
    if (subject)
        finding_subject(finding, "%s", subject);
    if (hint)
        finding_hint(finding, "%s", hint);
    if (took > 0 && took < 3600e3)
        finding->took = (nsec_t)(took * 1e6);
    if (json_is_object(facts))
        finding->facts = json_incref(facts);
    return 0;
}

static int read_look(const json_t *result, struct eye_answer *answer)
{
    const json_t *findings = json_object_get(result, "findings");
    json_t *metrics = json_object_get(result, "metrics");
    size_t count = json_array_size(findings);
    int r = json_is_array(findings) && count > 0 && count <= EYE_FINDINGS_MAX ? 0 : ERR_SYNTAX;

    answer->open = json_is_true(json_object_get(result, "open"));
    answer->verdict = tame(json_object_get(result, "verdict"));
    answer->hint = tame(json_object_get(result, "hint"));
    if (!answer->verdict)
        r = ERR_SYNTAX;
    for (size_t i = 0; r == 0 && i < count; i++)
        r = read_finding(json_array_get(findings, i), &answer->findings);
    if (json_is_object(metrics))
        answer->metrics = json_incref(metrics);
    return r;
}

static int read_error(const json_t *root, struct eye_answer *answer)
{
    const char *word = json_string_value(json_object_get(root, "error"));
    json_int_t wait = 0;

    for (size_t i = EYE_WRONG_KEY; word && i < ARRAY_SIZE(error_words); i++)
        if (strcmp(word, error_words[i]) == 0)
            answer->error = (enum eye_error)i;
    if (answer->error == EYE_LIMITED && !read_number(root, "wait", 1, 3600, &wait))
        return ERR_SYNTAX;
    answer->wait = (unsigned)wait;
    return answer->error ? 0 : ERR_SYNTAX;
}

int eye_answer_read(struct span line, struct eye_answer *ret_answer)
{
    struct eye_answer answer = {.error = EYE_NO_ERROR};
    json_t *root = parse(line);
    const char *source = json_string_value(json_object_get(root, "source"));
    const json_t *result = json_object_get(root, "check");
    struct socket_address address;
    int r = ERR_SYNTAX;

    if (source && strlen(source) < sizeof answer.source &&
        address_from_ip(source, 0, &address) == 0) {
        char text[ADDRESS_TEXT];
        snprintf(answer.source, sizeof answer.source, "%s", address_ip_text(&address, text));
        r = json_is_object(result) ? read_look(result, &answer) : read_error(root, &answer);
    }
    json_decref(root);
    if (r < 0)
        eye_answer_finish(&answer);
    else
        *ret_answer = answer;
    return r;
}

void eye_answer_finish(struct eye_answer *answer)
{
    free(answer->verdict);
    free(answer->hint);
    findings_finish(&answer->findings);
    json_decref(answer->metrics);
    *answer = (struct eye_answer){.error = EYE_NO_ERROR};
}
