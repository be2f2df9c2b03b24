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
#include "tls/keys_form.h"
#include "tls/keys_protocol.h"

static void load(struct keys_holder *holder, uint64_t id, enum keys_purpose purpose, EVP_PKEY *key)
{
    int fd = memfd_create("key", MFD_CLOEXEC);
    FILE *file = fd < 0 ? NULL : fdopen(fd, "w");

    if (!file || PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) != 1 ||
        fflush(file) != 0 || keys_holder_load(holder, id, purpose, fd) != 0)
        abort();
    fclose(file);
    EVP_PKEY_free(key);
}

static void load_secret(struct keys_holder *holder, uint64_t id)
{
    int fd = memfd_create("secret", MFD_CLOEXEC);

    if (fd < 0 || write(fd, "c2VjcmV0\n", 9) != 9 ||
        keys_holder_load(holder, id, KEYS_FOR_EAB, fd) != 0)
        abort();
    close(fd);
}

static struct keys_holder *make_holder(void)
{
    struct keys_holder *holder = keys_holder_create();

    load(holder, 1, KEYS_FOR_SERVER, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
    load(holder, 2, KEYS_FOR_SERVER, EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048));
    load(holder, 3, KEYS_FOR_CLIENT, EVP_PKEY_Q_keygen(NULL, NULL, "ED25519"));
    load(holder, 4, KEYS_FOR_ACCOUNT, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-256"));
    load(holder, 5, KEYS_FOR_CHALLENGE, EVP_PKEY_Q_keygen(NULL, NULL, "EC", "P-384"));
    load_secret(holder, 6);
    return holder;
}

/* A signature of a handshake is over one of the forms that TLS has. */
static void check(const struct keys_request *request, const struct keys_answer *answer)
{
    if (answer->status != KEYS_OK || request->op == KEYS_OP_PING)
        return;
    if (answer->data.len == 0 ||
        (request->op == KEYS_OP_HANDSHAKE && keys_form_of(request->data) == KEYS_FORM_NONE))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct keys_holder *holder;
    struct keys_request request;
    struct keys_answer answer;
    char *out = malloc(KEYS_MESSAGE_MAX);

    if (!holder)
        holder = make_holder();
    struct span message = span_of((const char *)data, size);
    size_t length =
        keys_holder_answer(holder, KEYS_MAY_SHAKE_HANDS | KEYS_MAY_CERTIFY, message, out);
    if (length > KEYS_MESSAGE_MAX || keys_answer_read(span_of(out, length), &answer) != 0)
        abort();
    if (keys_request_read(message, &request) == 0)
        check(&request, &answer);
    free(out);
    /* The worker's side of the same module reads what a taken-over keys process may send. */
    if (keys_answer_read(span_of((const char *)data, size), &answer) == 0 &&
        answer.data.len > KEYS_ANSWER_MAX)
        abort();
    return 0;
}
