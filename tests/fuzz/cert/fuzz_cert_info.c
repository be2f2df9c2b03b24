/* The reader of certificate files: whatever the bytes are, it ends, leaks nothing, and what it says
 * is printable. */
#include <stdint.h>
#include <stdlib.h>

#include "cert/cert.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void need(bool fine)
{
    if (!fine)
        abort();
}

static void need_printable(const char *text)
{
    for (; text && *text; text++)
        need((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void look_at(const struct cert_info *info)
{
    char fingerprint[CERT_FINGERPRINT_TEXT];
    char date[CERT_DATE_TEXT];

    need(info->subject && info->issuer && info->serial && info->key_text && info->signature);
    need(info->name_count <= CERT_NAMES_MAX);
    need_printable(info->subject);
    need_printable(info->issuer);
    need_printable(info->signature);
    need_printable(info->key_text);
    need_printable(info->responder_url);
    need_printable(info->issuer_url);
    for (size_t i = 0; i < info->name_count; i++) {
        need_printable(info->names[i]);
        (void)cert_matches(info, span_str(info->names[i]));
    }
    need(!cert_matches(info, SPAN("")));
    (void)cert_matches(info, SPAN("www.example.com"));
    (void)cert_matches(info, SPAN("192.0.2.1"));
    cert_fingerprint_text(info, fingerprint);
    cert_date_text(info->not_before, date);
    cert_date_text(cert_renew_at(info), date);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cert_chain chain;
    struct cert_chain again;

    if (cert_chain_parse(span_of((const char *)data, size), &chain) < 0)
        return 0;
    need(chain.count >= 1 && chain.count <= CERT_CHAIN_MAX);
    for (size_t i = 0; i < chain.count; i++)
        look_at(&chain.items[i]);
    if (strlen(chain.pem) <= CERT_FILE_MAX) {
        need(cert_chain_parse(span_str(chain.pem), &again) == 0);
        need(again.count == chain.count);
        cert_chain_finish(&again);
    }
    cert_chain_finish(&chain);
    return 0;
}
