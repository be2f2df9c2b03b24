/* The short-lived process that asks an OCSP responder: it alone speaks with the network of its own
 * accord, so it holds no key and no right that it does not need. When it runs is the stapler's. */
#include <stdio.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/ocsp.h"
#include "app/process_functions.h"

enum { NAME_SECONDS = 10 /* for looking up the responder's name */ };

/* ---- in the process ---- */

/* @return 0, or an error with why */
static int ask(struct span chain_pem, struct cert_ocsp *ret_ocsp, struct buffer *ret_der,
               const char **ret_why)
{
    struct buffer request;
    char *url;

    *ret_why = "the certificate names nobody to ask";
    int r = cert_ocsp_request(chain_pem, &request, &url);
    if (r >= 0)
        r = cert_ocsp_fetch(url, buffer_span(&request), ret_der, ret_why);
    if (r >= 0)
        r = cert_ocsp_read(chain_pem, buffer_span(ret_der), nsec_realtime(), ret_ocsp, ret_why);
    return r;
}

int ocsp_process_run(const struct process_start *start)
{
    struct ocsp_result result = {.why = ""};
    struct buffer der = {NULL};
    const char *why = NULL;

    alarm(NAME_SECONDS + CERT_OCSP_SECONDS);
    if (ask(span_str(start->question), &result.ocsp, &der, &why) < 0) {
        snprintf(result.why, sizeof result.why, "%s", why);
        der.len = 0;
    }
    bool written = write(start->guardian, &result, sizeof result) == sizeof result &&
                   write(start->guardian, der.data, der.len) == (ssize_t)der.len;
    return written ? 0 : 1;
}

/* ---- in the guardian ---- */

static bool well_formed(const struct ocsp_result *result, size_t len, nsec_t now)
{
    if (memchr(result->why, '\0', sizeof result->why) == NULL)
        return false;
    if (result->why[0])
        return len == 0;
    return len > 0 && result->ocsp.status >= CERT_OCSP_GOOD &&
           result->ocsp.status <= CERT_OCSP_UNKNOWN && result->ocsp.expires_at > now &&
           result->ocsp.refresh_at > now;
}

int ocsp_result_read(int result_fd, nsec_t now, struct ocsp_result *ret_result,
                     struct buffer *ret_der)
{
    struct buffer bytes = buffer_make(sizeof *ret_result + CERT_OCSP_MAX);

    int r = ipc_memory_read(result_fd, &bytes);
    if (r >= 0 && bytes.len >= sizeof *ret_result)
        memcpy(ret_result, bytes.data, sizeof *ret_result);
    else
        r = ERR_PROTOCOL;
    if (r >= 0 && !well_formed(ret_result, bytes.len - sizeof *ret_result, now))
        r = ERR_PROTOCOL;
    if (r < 0) {
        buffer_finish(&bytes);
        return ERR_PROTOCOL;
    }
    buffer_consume(&bytes, sizeof *ret_result);
    *ret_der = bytes;
    return 0;
}
