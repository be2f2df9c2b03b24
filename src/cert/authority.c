/* The CA's own life: made on first use, replaced when it is damaged or near its end, remembered
 * when it was replaced. */
#include "cert/authority.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/err.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/complain.h"
#include "cert/file.h"
#include "cert/store.h"
#include "cert/x509.h"

enum { RETIRED_MAX = 8 };

struct making {
    const struct cert_local_request *request;
    struct diags *diags;
    struct issued ca;
    enum cert_local_outcome outcome;
};

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
}

static int complain(const struct making *making, const char *name, int error)
{
    complain_state(making->diags, making->request->state_path, name, error);
    return error;
}

static char *default_owner(void)
{
    char host[256] = "localhost";
    const struct passwd *user = getpwuid(geteuid());

    if (gethostname(host, sizeof host - 1) < 0)
        snprintf(host, sizeof host, "localhost");
    return user ? mem_format("%s@%s", user->pw_name, host)
                : mem_format("%ld@%s", (long)geteuid(), host);
}

/* Keeps the certificate of a CA that is about to be replaced, so that `untrust` finds it. */
static int retire(int folder)
{
    scoped(mem_release) char *all = NULL;
    X509 *certs[CERT_CHAIN_MAX];
    int count = 0;
    int r = cert_local_ca_read(folder, &all);

    if (r == ERR_NOT_FOUND)
        return 0;
    if (r == 0)
        count = x509_parse(span_str(all), certs);
    if (r < 0 || count < 0)
        return r < 0 && r != ERR_LIMIT ? r : 0; /* too damaged to be worth keeping */
    scoped(mem_release) char *pem = x509_to_pem(certs, count < RETIRED_MAX ? count : RETIRED_MAX);
    x509_free_all(certs, count);
    scoped(close_fd) int inner = file_open_folder(folder, AUTHORITY_FOLDER);
    return inner < 0 ? inner : file_replace(inner, "retired.pem", 0644, span_str(pem));
}

static int make_ca(struct making *making, int folder)
{
    scoped(mem_release) char *owner =
        making->request->owner ? mem_string(span_str(making->request->owner)) : default_owner();

    issued_finish(&making->ca);
    int r = retire(making->request->state_fd);
    if (r < 0)
        return complain(making, AUTHORITY_FOLDER "/retired.pem", r);
    r = issue_ca(owner, making->request->now, &making->ca);
    if (r < 0) {
        diags_add(making->diags, "the TLS library could not make a local CA");
        return r;
    }
    r = store_save(folder, "ca.pem", "ca.key", &making->ca);
    return r < 0 ? complain(making, AUTHORITY_FOLDER, r) : 0;
}

/* Makes another CA in the place of one that is of no more use. */
static int remake_ca(struct making *making, int folder, const char *why)
{
    const char *state = making->request->state_path;

    making->outcome = CERT_LOCAL_RENEWED;
    diag_hint(diags_warning(making->diags, diags_add(making->diags,
                                                     "the local CA in %s/%s %s: making a "
                                                     "new one",
                                                     state, AUTHORITY_FOLDER, why)),
              "to trust it, run gardien cert trust again");
    return make_ca(making, folder);
}

static int judge_ca(struct making *making, int folder)
{
    X509 *cert = making->ca.cert;
    nsec_t now = making->request->now;
    char date[CERT_DATE_TEXT];

    if (X509_self_signed(cert, 1) != 1 || X509_check_ca(cert) != 1)
        return remake_ca(making, folder, "is damaged");
    if (now >= x509_time(X509_get0_notAfter(cert)) - AUTHORITY_REMAKE)
        return remake_ca(making, folder, "is at the end of its ten years");
    nsec_t start = x509_time(X509_get0_notBefore(cert));
    if (now < start && making->request->clock_right)
        return remake_ca(making, folder,
                         "was made while the clock was ahead, and is not valid yet");
    if (now < start) /* a clock that lost its battery must not cost a trusted CA */
        diag_hint(
            diags_warning(making->diags, diags_add(making->diags,
                                                   "the local CA is valid from %s, which this "
                                                   "machine's clock has not reached; keeping it",
                                                   cert_date_text(start, date))),
            "set the clock: timedatectl set-ntp true; once it is synchronised, a start or reload "
            "makes a new CA if this one is still not valid");
    making->outcome = CERT_LOCAL_KEPT;
    return 0;
}

static int ensure(struct making *making)
{
    scoped(close_fd) int folder = file_open_folder(making->request->state_fd, AUTHORITY_FOLDER);

    if (folder < 0)
        return complain(making, AUTHORITY_FOLDER, folder);
    int r = store_load(folder, "ca.pem", "ca.key", &making->ca);
    if (r == ERR_NOT_FOUND) {
        making->outcome = CERT_LOCAL_MADE;
        r = make_ca(making, folder);
    } else if (r == ERR_SYNTAX) {
        r = remake_ca(making, folder, "is damaged or half written");
    } else if (r < 0) {
        r = complain(making, AUTHORITY_FOLDER "/ca.key", r);
    } else {
        r = judge_ca(making, folder);
    }
    ERR_clear_error();
    return r;
}

int authority_ensure(const struct cert_local_request *request, struct diags *diags,
                     struct issued *ret_ca, enum cert_local_outcome *ret_outcome)
{
    struct making making = {.request = request, .diags = diags};
    int r = ensure(&making);

    if (r < 0) {
        issued_finish(&making.ca);
        return r;
    }
    *ret_ca = making.ca;
    *ret_outcome = making.outcome;
    return 0;
}

int cert_local_ca_read(int state_fd, char **ret_pem)
{
    struct buffer current;
    struct buffer retired = buffer_make(0);
    int r = file_read(state_fd, AUTHORITY_FOLDER "/ca.pem", CERT_FILE_MAX, &current);

    if (r == -ENOENT)
        return ERR_NOT_FOUND;
    if (r < 0)
        return r;
    r = file_read(state_fd, AUTHORITY_FOLDER "/retired.pem", CERT_FILE_MAX, &retired);
    if (r == 0 || r == -ENOENT) {
        *ret_pem = mem_format("%.*s%.*s", SPAN_ARGS(buffer_span(&current)),
                              SPAN_ARGS(buffer_span(&retired)));
        r = 0;
    }
    buffer_finish(&current);
    buffer_finish(&retired);
    return r;
}
