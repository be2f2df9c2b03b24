/* The short-lived process that asks an OCSP responder: it alone speaks with the network of its own
 * accord, so it holds no key and no right that it does not need. When it runs is the stapler's. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/ipc.h"
#include "app/ocsp.h"
#include "os/sandbox.h"

enum { NAME_SECONDS = 10 /* for looking up the responder's name */ };

/* ---- in the process ---- */

/* What looking up a name reads, and nothing else: no key, whoever we run as. */
static int confine_files(void)
{
    static const char *const needed[] = {
        "/etc/resolv.conf",
        "/etc/hosts",
        "/etc/host.conf",
        "/etc/nsswitch.conf",
        "/etc/gai.conf",
        "/etc/services",
        "/etc/ld.so.cache",
        "/etc/ssl/openssl.cnf",
        "/usr/lib",
        "/usr/lib64",
        "/lib",
        "/lib64",
    };
    int fds[ARRAY_SIZE(needed)];
    size_t count = 0;

    for (size_t i = 0; i < ARRAY_SIZE(needed); i++) {
        fds[count] = open(needed[i], O_PATH | O_CLOEXEC);
        count += fds[count] >= 0;
    }
    int r = sandbox_landlock_client(fds, count);
    while (count > 0)
        close(fds[--count]);
    return r == -ENOSYS || r == -EOPNOTSUPP ? 0 : r; /* the kernel has no Landlock */
}

static int confine(const char *user)
{
    static const struct {
        int resource;
        rlim_t most;
    } limits[] = {{RLIMIT_CORE, 0},
                  {RLIMIT_NPROC, 0},
                  {RLIMIT_NOFILE, 32},
                  {RLIMIT_FSIZE, 65536},
                  {RLIMIT_CPU, 5}};
    int r = user ? sandbox_switch_user(user) : 0;

    if (r >= 0)
        r = sandbox_no_new_privs();
    if (r >= 0)
        r = confine_files();
    for (size_t i = 0; r >= 0 && i < ARRAY_SIZE(limits); i++)
        if (setrlimit(limits[i].resource, &(struct rlimit){limits[i].most, limits[i].most}) < 0)
            r = -errno;
    return r < 0 ? r : sandbox_seccomp(SANDBOX_CLIENT);
}

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

void ocsp_process_run(const char *user, const char *chain_pem, int result_fd)
{
    struct ocsp_result result = {.why = ""};
    struct buffer der = {NULL};
    const char *why = "its process cannot be confined";

    alarm(NAME_SECONDS + CERT_OCSP_SECONDS);
    int r = confine(user);
    if (r >= 0)
        r = ask(span_str(chain_pem), &result.ocsp, &der, &why);
    if (r < 0) {
        snprintf(result.why, sizeof result.why, "%s", why);
        der.len = 0;
    }
    bool written = write(result_fd, &result, sizeof result) == sizeof result &&
                   write(result_fd, der.data, der.len) == (ssize_t)der.len;
    _exit(written ? 0 : 1);
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
