/* The BIO's five functions. */
#include "tls/io_bio.h"

#include <openssl/bio.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "tls/session.h"

static int bio_read(BIO *bio, char *out, size_t cap, size_t *ret_count)
{
    struct tls_io **io = BIO_get_data(bio);
    struct span *in = &(*io)->in;

    if (in->len == 0) {
        BIO_set_retry_read(bio);
        return 0;
    }
    size_t count = cap < in->len ? cap : in->len;
    memcpy(out, in->ptr, count);
    in->ptr += count;
    in->len -= count;
    *ret_count = count;
    return 1;
}

static int bio_write(BIO *bio, const char *bytes, size_t len, size_t *ret_count)
{
    struct tls_io **lent = BIO_get_data(bio), *io = *lent;

    if (len > io->out_cap - io->out_len)
        return 0;
    memcpy(io->out + io->out_len, bytes, len);
    io->out_len += len;
    *ret_count = len;
    return 1;
}

static long bio_control(BIO *bio, int command, long number, void *pointer)
{
    (void)bio;
    (void)number;
    (void)pointer;
    return command == BIO_CTRL_FLUSH;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *bio_method;

/* Built once a process; OpenSSL wants it to live as long as any BIO. */
static void make_bio_method(void)
{
    bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "gardien");
    if (!bio_method || BIO_meth_set_read_ex(bio_method, bio_read) != 1 ||
        BIO_meth_set_write_ex(bio_method, bio_write) != 1 ||
        BIO_meth_set_ctrl(bio_method, bio_control) != 1 ||
        BIO_meth_set_create(bio_method, bio_create) != 1)
        abort(); /* out of memory at the first connection */
}

int io_bio_attach(SSL *ssl, struct tls_io **io)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, make_bio_method);
    BIO *bio = BIO_new(bio_method);
    if (!bio)
        return ERR_TLS;
    BIO_set_data(bio, io);
    SSL_set_bio(ssl, bio, bio);
    return 0;
}
