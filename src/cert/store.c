/* Files of certificates and keys beneath a state folder, and the lock over it. */
#include "cert/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

#include "base/mem.h"
#include "cert/file.h"
#include "cert/key.h"
#include "cert/x509.h"

enum { LOCK_TRIES = 200, LOCK_PAUSE_MSEC = 50 };

int store_lock(int state_fd)
{
    const struct timespec pause = {.tv_nsec = LOCK_PAUSE_MSEC * NSEC_PER_MSEC};
    int fd = file_open_folder(state_fd, ".");

    for (int i = 0; fd >= 0; i++) {
        if (flock(fd, LOCK_EX | LOCK_NB) == 0 || errno == ENOLCK || errno == EOPNOTSUPP)
            break; /* a network file system may know no locks: then two at once are unlikely */
        int error = errno == EWOULDBLOCK ? ERR_TIMEOUT : -errno;
        if (i == LOCK_TRIES || (error != ERR_TIMEOUT && error != -EINTR)) {
            close(fd);
            return error;
        }
        nanosleep(&pause, NULL);
    }
    return fd;
}

static int load_cert(int folder, const char *name, X509 **ret_cert)
{
    X509 *certs[CERT_CHAIN_MAX];
    struct buffer bytes;
    int r = file_read(folder, name, CERT_FILE_MAX, &bytes);

    if (r < 0)
        return r == ERR_LIMIT ? ERR_SYNTAX : r;
    int count = x509_parse(buffer_span(&bytes), certs);
    buffer_finish(&bytes);
    if (count < 0)
        return ERR_SYNTAX;
    x509_free_all(certs + 1, count - 1);
    *ret_cert = certs[0];
    return 0;
}

static int load_key(int folder, const char *name, EVP_PKEY **ret_key)
{
    struct buffer bytes;
    struct stat st;
    int r = file_read_stat(folder, name, CERT_FILE_MAX, &bytes, &st);

    if (r < 0)
        return r == ERR_LIMIT ? ERR_SYNTAX : r;
    *ret_key = key_parse(buffer_span(&bytes));
    file_wipe(&bytes);
    if (*ret_key && (st.st_mode & 077)) {
        EVP_PKEY_free(take(*ret_key));
        return -EPERM;
    }
    return *ret_key ? 0 : ERR_SYNTAX;
}

int store_load(int folder, const char *cert_name, const char *key_name, struct issued *ret_pair)
{
    struct issued pair = {0};
    int cert = load_cert(folder, cert_name, &pair.cert);
    int key = load_key(folder, key_name, &pair.key);
    int r = 0;

    if (cert == -ENOENT && key == -ENOENT)
        r = ERR_NOT_FOUND;
    else if (cert == -ENOENT || key == -ENOENT)
        r = ERR_SYNTAX; /* half of a pair */
    else if (cert < 0 || key < 0)
        r = key < 0 && key != ERR_SYNTAX ? key : cert < 0 ? cert : key;
    else if (X509_check_private_key(pair.cert, pair.key) != 1)
        r = ERR_SYNTAX;
    if (r < 0)
        issued_finish(&pair);
    else
        *ret_pair = pair;
    return r;
}

int store_save(int folder, const char *cert_name, const char *key_name, const struct issued *pair)
{
    size_t length = 0;
    char *key = key_to_pem(pair->key, &length);
    int r = file_replace(folder, key_name, 0600, span_of(key, length));

    OPENSSL_cleanse(key, length);
    free(key);
    if (r < 0)
        return r;
    char *cert = x509_to_pem(&pair->cert, 1);
    r = file_replace(folder, cert_name, 0644, span_str(cert));
    free(cert);
    return r;
}
