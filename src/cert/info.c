/* Reads chains from bytes and files, and answers for which names and how long a certificate is
 * good. */
#include "cert/info.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "base/mem.h"
#include "cert/complain.h"
#include "cert/file.h"
#include "cert/x509.h"

int cert_chain_parse(struct span bytes, struct cert_chain *ret_chain)
{
    X509 *certs[CERT_CHAIN_MAX];
    int count = x509_parse(bytes, certs);

    if (count < 0)
        return count;
    struct cert_chain chain = {.items = mem_resize(NULL, (size_t)count, sizeof *chain.items),
                               .count = (size_t)count,
                               .ordered = true,
                               .pem = x509_to_pem(certs, count)};
    for (int i = 0; i < count; i++) {
        x509_describe(certs[i], &chain.items[i]);
        if (i + 1 < count && !x509_signed_by(certs[i], certs[i + 1]))
            chain.ordered = false;
    }
    chain.complete = chain.ordered && chain.items[count - 1].self_signed;
    x509_free_all(certs, count);
    *ret_chain = chain;
    return 0;
}

void cert_chain_finish(struct cert_chain *chain)
{
    for (size_t i = 0; i < chain->count; i++)
        x509_info_finish(&chain->items[i]);
    free(chain->items);
    free(chain->pem);
    *chain = (struct cert_chain){0};
}

int cert_chain_load(const char *path, struct diags *diags, struct cert_chain *ret_chain)
{
    struct buffer bytes;
    int r = file_read(AT_FDCWD, path, CERT_FILE_MAX, &bytes);

    if (r < 0) {
        complain_file(diags, "certificate", path, r);
        return r;
    }
    r = cert_chain_parse(buffer_span(&bytes), ret_chain);
    file_wipe(&bytes); /* there may be a private key beside the certificates */
    if (r == ERR_LIMIT)
        diag_hint(diags_add(diags, "the certificate file %s holds more than %d certificates", path,
                            CERT_CHAIN_MAX),
                  "keep the site's certificate and its intermediates, leaf first");
    else if (r < 0)
        diag_hint(diags_add(diags, "the certificate file %s holds no readable certificate", path),
                  "it should hold blocks that begin with -----BEGIN CERTIFICATE-----");
    return r;
}

/* "a.b" for the wildcard "*.a.b"; an empty span for one too wide to be honoured. */
static struct span wildcard_domain(struct span pattern)
{
    struct span domain = span_from(pattern, 2);

    return span_find(domain, '.') > 0 ? domain : SPAN("");
}

static bool name_matches(struct span pattern, struct span name)
{
    if (!span_starts(pattern, SPAN("*.")))
        return span_equal_nocase(pattern, name);
    struct span domain = wildcard_domain(pattern);
    ptrdiff_t dot = span_find(name, '.');
    return domain.len > 0 && dot > 0 && span_equal_nocase(span_from(name, (size_t)dot + 1), domain);
}

/* The form in which cert_info keeps an address. @return false when `name` is none */
static bool normal_address(struct span name, char out[INET6_ADDRSTRLEN])
{
    unsigned char bytes[16];
    char text[INET6_ADDRSTRLEN];

    if (name.len >= sizeof text)
        return false;
    memcpy(text, name.ptr, name.len);
    text[name.len] = '\0';
    int family = span_find(name, ':') >= 0 ? AF_INET6 : AF_INET;
    return inet_pton(family, text, bytes) == 1 &&
           inet_ntop(family, bytes, out, INET6_ADDRSTRLEN) != NULL;
}

bool cert_matches(const struct cert_info *info, struct span name)
{
    char address[INET6_ADDRSTRLEN];

    if (info->names_from_common_name)
        return false;
    if (name.len > 1 && name.ptr[name.len - 1] == '.')
        name.len--;
    if (name.len == 0)
        return false;
    bool is_address = normal_address(name, address);
    for (size_t i = 0; i < info->name_count; i++) {
        struct span pattern = span_str(info->names[i]);
        bool same =
            is_address ? span_equal(pattern, span_str(address)) : name_matches(pattern, name);
        if (same)
            return true;
    }
    return false;
}

nsec_t cert_renew_at(const struct cert_info *info)
{
    if (info->not_after <= info->not_before)
        return info->not_after;
    /* Either end may be the end of the range: divide before subtracting. */
    return info->not_after - (info->not_after / 3 - info->not_before / 3);
}

const char *cert_fingerprint_text(const struct cert_info *info, char out[CERT_FINGERPRINT_TEXT])
{
    static const char digits[] = "0123456789ABCDEF";

    for (size_t i = 0; i < CERT_FINGERPRINT_SIZE; i++) {
        out[3 * i] = digits[info->fingerprint[i] >> 4];
        out[3 * i + 1] = digits[info->fingerprint[i] & 15];
        out[3 * i + 2] = ':';
    }
    out[CERT_FINGERPRINT_TEXT - 1] = '\0';
    return out;
}

const char *cert_date_text(nsec_t at, char out[CERT_DATE_TEXT])
{
    time_t seconds = at / NSEC_PER_SEC;
    struct tm parts;

    if (!gmtime_r(&seconds, &parts) || !strftime(out, CERT_DATE_TEXT, "%Y-%m-%d %H:%M UTC", &parts))
        snprintf(out, CERT_DATE_TEXT, "unknown");
    return out;
}
