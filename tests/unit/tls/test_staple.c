/* Stapled OCSP responses as OpenSSL's own client gets them: the right one, in time, when asked. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/pem.h>

#include "base/mem.h"
#include "peer_support.h"

#define UNTIL ((nsec_t)1000 * NSEC_PER_SEC)

static nsec_t wall; /* what the clock says */

static nsec_t wall_clock(void)
{
    return wall;
}

struct rig {
    struct tls_library *library;
    struct tls_context *first; /* sessions begin here */
    struct tls_context *site;  /* and go on here, with an EC and an RSA certificate */
    unsigned char ec[TLS_FINGERPRINT_SIZE];
    unsigned char rsa[TLS_FINGERPRINT_SIZE];
};

static struct tls_context *choose_site(void *owner, struct span name)
{
    (void)name;
    return owner;
}

static void fingerprint(const char *pem, unsigned char out[TLS_FINGERPRINT_SIZE])
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *cert = PEM_read_bio_X509(bio, NULL, NULL, NULL);

    assert_int_equal(X509_digest(cert, EVP_sha256(), out, NULL), 1);
    X509_free(cert);
    BIO_free(bio);
}

static int set_up(void **state)
{
    static const unsigned char tickets[1][TLS_TICKET_KEY_SIZE] = {{1}};
    struct tls_settings settings = {0};
    struct rig *rig = mem_new(struct rig);
    struct tls_certificate both[2];
    char *pems[2];

    make_certificate("EC", "localhost", &both[0].key, &pems[0]);
    make_certificate("RSA", "localhost", &both[1].key, &pems[1]);
    fingerprint(pems[0], rig->ec);
    fingerprint(pems[1], rig->rsa);
    both[0].chain_pem = span_str(pems[0]);
    both[1].chain_pem = span_str(pems[1]);
    assert_int_equal(tls_library_create(&rig->library), 0);
    tls_library_set_tickets(rig->library, tickets, 1);
    tls_library_set_clock(rig->library, wall_clock);
    assert_int_equal(tls_context_create(&settings, rig->library, NULL, 0, &rig->first), 0);
    assert_int_equal(tls_context_create(&settings, rig->library, both, 2, &rig->site), 0);
    tls_context_set_choose(rig->first, choose_site, rig->site);
    for (size_t i = 0; i < 2; i++) {
        tls_certificate_finish(&both[i]);
        free(pems[i]);
    }
    wall = UNTIL - 1;
    *state = rig;
    return 0;
}

static int tear_down(void **state)
{
    struct rig *rig = *state;

    tls_context_destroy(rig->first);
    tls_context_destroy(rig->site);
    tls_library_destroy(rig->library);
    free(rig);
    return 0;
}

static void ask(SSL_CTX *context)
{
    SSL_CTX_set_tlsext_status_type(context, TLSEXT_STATUSTYPE_ocsp);
}

static void ask_12(SSL_CTX *context)
{
    ask(context);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
}

static void ask_rsa(SSL_CTX *context)
{
    ask(context);
    SSL_CTX_set1_sigalgs_list(context, "RSA-PSS+SHA256:RSA+SHA256");
}

static void ask_rsa_12(SSL_CTX *context)
{
    ask_rsa(context);
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
}

static void ask_nothing(SSL_CTX *context)
{
    (void)context;
}

/* Connects and yields what was stapled, "" for nothing. */
static const char *stapled(struct rig *rig, void (*configure)(SSL_CTX *context))
{
    static char text[TLS_OCSP_MAX + 1];
    struct tls_session *session;
    const char *bytes = NULL;
    struct peer peer;

    peer_init(&peer, configure);
    peer_connect(&peer, "localhost", false);
    assert_int_equal(tls_session_create(rig->first, &session), 0);
    assert_int_equal(run_handshake(&peer, session), 1);
    long len = SSL_get_tlsext_status_ocsp_resp(peer.ssl, &bytes);
    text[0] = '\0';
    if (len > 0) {
        memcpy(text, bytes, (size_t)len);
        text[len] = '\0';
    }
    tls_session_destroy(session);
    peer_finish(&peer);
    return text;
}

static void test_client_gets_the_response_for_the_certificate_it_gets(void **state)
{
    struct rig *rig = *state;

    assert_string_equal(stapled(rig, ask), "");
    tls_library_set_ocsp(rig->library, rig->ec, SPAN("of EC"), UNTIL);
    assert_string_equal(stapled(rig, ask), "of EC");
    assert_string_equal(stapled(rig, ask_12), "of EC");
    assert_string_equal(stapled(rig, ask_rsa), "");
    assert_string_equal(stapled(rig, ask_rsa_12), "");
    tls_library_set_ocsp(rig->library, rig->rsa, SPAN("of RSA"), UNTIL);
    assert_string_equal(stapled(rig, ask), "of EC");
    assert_string_equal(stapled(rig, ask_rsa), "of RSA");
    assert_string_equal(stapled(rig, ask_rsa_12), "of RSA");
}

static void test_client_that_does_not_ask_gets_nothing(void **state)
{
    struct rig *rig = *state;

    tls_library_set_ocsp(rig->library, rig->ec, SPAN("of EC"), UNTIL);
    assert_string_equal(stapled(rig, ask_nothing), "");
}

static void test_expired_response_is_not_stapled(void **state)
{
    struct rig *rig = *state;

    tls_library_set_ocsp(rig->library, rig->ec, SPAN("of EC"), UNTIL);
    wall = UNTIL;
    assert_string_equal(stapled(rig, ask), "");
    tls_library_set_ocsp(rig->library, rig->ec, SPAN("next"), UNTIL + 1);
    assert_string_equal(stapled(rig, ask), "next");
    tls_library_set_clock(rig->library, NULL);
    assert_string_equal(stapled(rig, ask), "");
}

static void test_responses_are_replaced_and_forgotten(void **state)
{
    struct rig *rig = *state;
    scoped(mem_release) char *big = mem_zalloc(TLS_OCSP_MAX + 1);

    tls_library_set_ocsp(rig->library, rig->ec, SPAN("one"), UNTIL);
    tls_library_set_ocsp(rig->library, rig->rsa, SPAN("other"), UNTIL);
    tls_library_set_ocsp(rig->library, rig->ec, SPAN("two"), UNTIL);
    assert_string_equal(stapled(rig, ask), "two");
    tls_library_set_ocsp(rig->library, rig->ec, SPAN(""), UNTIL);
    assert_string_equal(stapled(rig, ask), "");
    assert_string_equal(stapled(rig, ask_rsa), "other");
    tls_library_clear_ocsp(rig->library);
    assert_string_equal(stapled(rig, ask_rsa), "");
    memset(big, 'x', TLS_OCSP_MAX + 1);
    tls_library_set_ocsp(rig->library, rig->ec, span_of(big, TLS_OCSP_MAX + 1), UNTIL);
    assert_string_equal(stapled(rig, ask), "");
    tls_library_set_ocsp(rig->library, rig->ec, span_of(big, TLS_OCSP_MAX), UNTIL);
    assert_int_equal(strlen(stapled(rig, ask)), TLS_OCSP_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_client_gets_the_response_for_the_certificate_it_gets,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_client_that_does_not_ask_gets_nothing, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_expired_response_is_not_stapled, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_responses_are_replaced_and_forgotten, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("tls staple", tests, NULL, NULL);
}
