/* Requests of the signing protocol, as a taken-over worker could send them: the holder must answer
 * each within bounds, and sign only what the answer says. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <openssl/evp.h>
#include <openssl/pem.h>

#include "tls/keys.h"
#include "tls/keys_protocol.h"

static void load(struct keys_holder *holder, uint64_t id, EVP_PKEY *key)
{
    int fd = memfd_create("key", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (!file || PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        fflush(file) != 0 || keys_holder_load(holder, id, fd) != 0)
        abort();
    fclose(file);
    EVP_PKEY_free(key);
}

static struct keys_holder *make_holder(void)
{
    struct keys_holder *holder = keys_holder_create();

    load(holder, 1, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
    load(holder, 2, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048));
    load(holder, 3, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    return holder;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keys_holder *holder;
    struct keys_answer answer;
    char *out = malloc(KEYS_MESSAGE_MAX);

    if (!holder)
        holder = make_holder();
    size_t length = keys_holder_answer(holder, span_of((const char *)data, size), out);
    if (length > KEYS_MESSAGE_MAX || keys_answer_read(span_of(out, length), &answer) != 0)
        abort();
    if (answer.status == KEYS_OK && size != 0 && data[0] == KEYS_OP_SIGN && answer.data.len == 0)
        abort();
    free(out);
    /* The worker's side of the same room reads what a taken-over keys process may send. */
    if (keys_answer_read(span_of((const char *)data, size), &answer) == 0 &&
        answer.data.len > KEYS_SIGNATURE_MAX)
        abort();
    return 0;
}
