/* What the prepare process knows of a certificate's OCSP, as JSON and back. Asking is the
 * stapler's.
 */
#include <stdio.h>
#include <stdlib.h>

#include "app/ocsp.h"
#include "base/mem.h"

void ocsp_answer_finish(struct ocsp_answer *answer)
{
    free(answer->der);
    *answer = (struct ocsp_answer){.named = false};
}

static json_t *to_hex(struct span bytes)
{
    scoped(mem_release) char *text = mem_alloc(2 * bytes.len + 1);

    for (size_t i = 0; i < bytes.len; i++)
        snprintf(text + 2 * i, 3, "%02x", (unsigned char)bytes.ptr[i]);
    return json_stringn(text, 2 * bytes.len);
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* @return bytes written, or 0 when the text is no hexadecimal or has more than `room` bytes */
static size_t from_hex(const json_t *value, char *out, size_t room)
{
    const char *text = json_string_value(value);
    size_t len = json_string_length(value);

    if (len % 2 || len / 2 > room)
        return 0;
    for (size_t i = 0; i < len; i += 2) {
        int high = digit(text[i]), low = digit(text[i + 1]);
        if (high < 0 || low < 0)
            return 0;
        out[i / 2] = (char)(high * 16 + low);
    }
    return len / 2;
}

json_t *ocsp_look(const struct cert_chain *chain, int state_fd, nsec_t now)
{
    const unsigned char *fingerprint = chain->items[0].fingerprint;
    struct buffer request = {NULL}, der = {NULL};
    struct cert_ocsp ocsp = {.refresh_at = now};
    char *url = NULL;
    const char *why;

    if (cert_ocsp_request(span_str(chain->pem), &request, &url) < 0)
        return json_null();
    buffer_finish(&request);
    free(url);
    json_t *object = json_object();
    json_object_set_new(object, "fingerprint",
                        to_hex(span_of((const char *)fingerprint, CERT_FINGERPRINT_SIZE)));
    if (cert_ocsp_load(state_fd, fingerprint, &der) == 0 &&
        cert_ocsp_read(span_str(chain->pem), buffer_span(&der), now, &ocsp, &why) == 0 &&
        ocsp.status == CERT_OCSP_GOOD) {
        json_object_set_new(object, "der", to_hex(buffer_span(&der)));
        json_object_set_new(object, "expires_at", json_integer(ocsp.expires_at));
    }
    json_object_set_new(object, "refresh_at", json_integer(ocsp.refresh_at));
    buffer_finish(&der);
    return object;
}

void ocsp_from_json(const json_t *object, struct ocsp_answer *ret_answer)
{
    struct ocsp_answer answer = {
        .expires_at = json_integer_value(json_object_get(object, "expires_at")),
        .refresh_at = json_integer_value(json_object_get(object, "refresh_at")),
    };
    char der[CERT_OCSP_MAX];

    answer.named = from_hex(json_object_get(object, "fingerprint"), (char *)answer.fingerprint,
                            sizeof answer.fingerprint) == sizeof answer.fingerprint;
    answer.len = answer.named ? from_hex(json_object_get(object, "der"), der, sizeof der) : 0;
    if (answer.len) {
        answer.der = mem_alloc(answer.len);
        memcpy(answer.der, der, answer.len);
    }
    *ret_answer = answer;
}
