/* Sessions against OpenSSL's own client: handshakes, data, key updates, tickets, names, and records
 * that break the rules. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <openssl/provider.h>
#include <openssl/rand.h>

#include "base/error.h"
#include "base/mem.h"
#include "peer_support.h"
#include "tls/internal.h"

enum { BIG = 100000, ROOM = 1 << 20 };

/* Whether the program was built with records of its own (meson's option own_records). */
#ifdef OWN_RECORDS
static const bool own_records = OWN_RECORDS;
#else
static const bool own_records = true;
#endif

struct rig {
    struct tls_library *library;
    struct tls_context *context;
    struct tls_session *session;
    struct peer peer;
    char *data; /* BIG random bytes */
    char *room;
};

static const unsigned char ticket_keys[3][TLS_TICKET_KEY_SIZE] = {{1}, {2}, {3}};

static void rig_context(struct rig *rig, const struct tls_settings *settings)
{
    EVP_PKEY *key;
    char *pem;

    assert_int_equal(tls_library_create(&rig->library), 0);
    tls_library_set_tickets(rig->library, ticket_keys, 1);
    make_certificate("EC", "localhost", &key, &pem);
    struct tls_certificate certificate = {span_str(pem), key};
    assert_int_equal(tls_context_create(settings, rig->library, &certificate, 1, &rig->context), 0);
    tls_certificate_finish(&certificate);
    free(pem);
}

static void rig_up(struct rig *rig, void (*configure)(SSL_CTX *context))
{
    struct tls_settings settings = {0};

    *rig = (struct rig){.data = mem_alloc(BIG), .room = mem_alloc(ROOM)};
    RAND_bytes((unsigned char *)rig->data, BIG);
    rig_context(rig, &settings);
    peer_init(&rig->peer, configure);
}

static int rig_connect(struct rig *rig, bool resume)
{
    tls_session_destroy(rig->session);
    peer_connect(&rig->peer, "localhost", resume);
    assert_int_equal(tls_session_create(rig->context, &rig->session), 0);
    return run_handshake(&rig->peer, rig->session);
}

static void rig_down(struct rig *rig)
{
    tls_session_destroy(rig->session);
    tls_context_destroy(rig->context);
    tls_library_destroy(rig->library);
    peer_finish(&rig->peer);
    free(rig->data);
    free(rig->room);
}

static void exchange(struct rig *rig, size_t len)
{
    struct tls_io io = {.out = rig->room, .out_cap = ROOM};
    scoped(mem_release) char *got = mem_alloc(BIG + TLS_READ_MIN);

    if (len)
        assert_int_equal(SSL_write(rig->peer.ssl, rig->data, (int)len), len);
    assert_int_equal(server_read(&rig->peer, rig->session, got, BIG + TLS_READ_MIN), len);
    assert_memory_equal(got, rig->data, len);
    assert_int_equal(tls_write(rig->session, &io, span_of(rig->data, len)), 0);
    assert_true(io.out_len <= tls_sealed_size(len));
    if (io.out_len)
        assert_int_equal(BIO_write(rig->peer.in, io.out, (int)io.out_len), io.out_len);
    for (size_t at = 0; at < len;) {
        int n = SSL_read(rig->peer.ssl, got + at, (int)(len - at));
        assert_true(n > 0);
        at += (size_t)n;
    }
    assert_memory_equal(got, rig->data, len);
}

/* ---- handshakes and data ---- */

static void only_aes128(SSL_CTX *context)
{
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
}

static void only_aes256(SSL_CTX *context)
{
    SSL_CTX_set_ciphersuites(context, "TLS_AES_256_GCM_SHA384");
}

static void only_chacha(SSL_CTX *context)
{
    SSL_CTX_set_ciphersuites(context, "TLS_CHACHA20_POLY1305_SHA256");
}

static void only_tls12(SSL_CTX *context)
{
    SSL_CTX_set_max_proto_version(context, TLS1_2_VERSION);
}

static void only_tls11(SSL_CTX *context)
{
    SSL_CTX_set_min_proto_version(context, TLS1_1_VERSION);
    SSL_CTX_set_max_proto_version(context, TLS1_1_VERSION);
    SSL_CTX_set_cipher_list(context, "ALL:@SECLEVEL=0");
}

static void test_session_exchanges_data_with_every_suite(void **state)
{
    (void)state;
    static const struct {
        void (*configure)(SSL_CTX *context);
        const char *version;
        const char *cipher;
    } kinds[] = {
        {only_aes128, "TLSv1.3", "TLS_AES_128_GCM_SHA256"},
        {only_aes256, "TLSv1.3", "TLS_AES_256_GCM_SHA384"},
        {only_chacha, "TLSv1.3", "TLS_CHACHA20_POLY1305_SHA256"},
        {only_tls12, "TLSv1.2", NULL},
    };
    static const size_t sizes[] = {1, 16, 1000, 16383, 16384, 16385, 40000, BIG};

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct rig rig;
        rig_up(&rig, kinds[k].configure);
        assert_int_equal(rig_connect(&rig, false), 1);
        assert_string_equal(tls_session_version(rig.session), kinds[k].version);
        if (kinds[k].cipher)
            assert_string_equal(tls_session_cipher(rig.session), kinds[k].cipher);
        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++)
            exchange(&rig, sizes[i]);
        rig_down(&rig);
    }
}

static void test_session_refuses_tls_1_1(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, only_tls11);
    assert_int_equal(rig_connect(&rig, false), ERR_TLS);
    rig_down(&rig);
}

static void test_session_modern_profile_refuses_tls_1_2(void **state)
{
    (void)state;
    struct tls_settings settings = {.profile = TLS_PROFILE_MODERN};
    struct rig rig = {.data = mem_alloc(1), .room = mem_alloc(ROOM)};

    rig_context(&rig, &settings);
    peer_init(&rig.peer, only_tls12);
    assert_int_equal(rig_connect(&rig, false), ERR_TLS);
    rig_down(&rig);
}

static void test_session_follows_key_updates(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, only_aes256);
    assert_int_equal(rig_connect(&rig, false), 1);
    for (int i = 0; i < 20; i++) {
        int kind = i % 2 ? SSL_KEY_UPDATE_REQUESTED : SSL_KEY_UPDATE_NOT_REQUESTED;
        assert_int_equal(SSL_key_update(rig.peer.ssl, kind), 1);
        exchange(&rig, 5000);
    }
    rig_down(&rig);
}

static void test_session_reads_byte_by_byte(void **state)
{
    (void)state;
    struct rig rig;
    char *bytes, *got = mem_alloc(TLS_READ_MIN);
    size_t total = 0, begun = 0;

    rig_up(&rig, only_aes128);
    assert_int_equal(rig_connect(&rig, false), 1);
    assert_int_equal(SSL_write(rig.peer.ssl, rig.data, 300), 300);
    long len = BIO_get_mem_data(rig.peer.out, &bytes);
    for (size_t end = 1; end <= (size_t)len; end++) {
        struct tls_io io = {
            .in = span_of(bytes + begun, end - begun), .out = rig.room, .out_cap = ROOM};
        ssize_t n = tls_read(rig.session, &io, got, TLS_READ_MIN);
        assert_true(n >= 0);
        total += (size_t)n;
        begun = end - io.in.len;
    }
    assert_int_equal(total, 300);
    assert_memory_equal(got, rig.data, 300);
    free(got);
    rig_down(&rig);
}

static void test_session_closes_both_ways(void **state)
{
    (void)state;
    struct rig rig;
    char got[TLS_READ_MIN];

    rig_up(&rig, only_aes128);
    assert_int_equal(rig_connect(&rig, false), 1);
    struct tls_io io = {.out = rig.room, .out_cap = ROOM};
    tls_close(rig.session, &io);
    assert_int_equal(BIO_write(rig.peer.in, io.out, (int)io.out_len), io.out_len);
    assert_int_equal(SSL_read(rig.peer.ssl, got, sizeof got), 0);
    assert_int_equal(SSL_get_error(rig.peer.ssl, 0), SSL_ERROR_ZERO_RETURN);
    assert_int_equal(rig_connect(&rig, false), 1);
    SSL_shutdown(rig.peer.ssl);
    assert_int_equal(server_read(&rig.peer, rig.session, got, sizeof got), ERR_CLOSED);
    rig_down(&rig);
}

/* ---- tickets ---- */

static void take_ticket(struct rig *rig)
{
    char byte;

    (void)SSL_read(rig->peer.ssl, &byte, 1); /* processes what came after the handshake */
    assert_non_null(rig->peer.session);
}

static void test_session_resumes_again_and_again(void **state)
{
    (void)state;
    void (*const kinds[])(SSL_CTX *) = {only_aes128, only_aes256, only_tls12};

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++) {
        struct rig rig;
        rig_up(&rig, kinds[k]);
        assert_int_equal(rig_connect(&rig, false), 1);
        assert_false(tls_session_resumed(rig.session));
        for (int i = 0; i < 4; i++) {
            take_ticket(&rig);
            assert_int_equal(rig_connect(&rig, true), 1);
            assert_true(tls_session_resumed(rig.session));
            exchange(&rig, 3000);
        }
        rig_down(&rig);
    }
}

static void test_session_ticket_outlives_two_key_rotations(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, only_aes128);
    assert_int_equal(rig_connect(&rig, false), 1);
    take_ticket(&rig);
    const unsigned char rotated[3][TLS_TICKET_KEY_SIZE] = {{3}, {2}, {1}};
    tls_library_set_tickets(rig.library, rotated, 3);
    assert_int_equal(rig_connect(&rig, true), 1);
    assert_true(tls_session_resumed(rig.session));
    const unsigned char forgotten[1][TLS_TICKET_KEY_SIZE] = {{9}};
    tls_library_set_tickets(rig.library, forgotten, 1);
    assert_int_equal(rig_connect(&rig, true), 1);
    assert_false(tls_session_resumed(rig.session));
    rig_down(&rig);
}

static void test_session_ticket_of_another_worker_resumes(void **state)
{
    (void)state;
    struct rig one, two;

    rig_up(&one, only_aes128);
    rig_up(&two, only_aes128);
    assert_int_equal(rig_connect(&one, false), 1);
    take_ticket(&one);
    two.peer.session = one.peer.session;
    one.peer.session = NULL;
    assert_int_equal(rig_connect(&two, true), 1);
    assert_true(tls_session_resumed(two.session));
    rig_down(&one);
    rig_down(&two);
}

/* ---- tickets and names ---- */

static struct tls_context *same_for_all(void *owner, struct span name)
{
    (void)name;
    return owner;
}

static bool resumes_as(struct rig *rig, const char *name)
{
    tls_session_destroy(take(rig->session));
    peer_connect(&rig->peer, name, true);
    assert_int_equal(tls_session_create(rig->context, &rig->session), 0);
    assert_int_equal(run_handshake(&rig->peer, rig->session), 1);
    return tls_session_resumed(rig->session);
}

/* RFC 6066 section 3: not under another name than the ticket was given for. */
static void test_session_ticket_resumes_under_its_own_name_only(void **state)
{
    (void)state;
    void (*const kinds[])(SSL_CTX *) = {only_tls12, only_aes128};
    static const struct {
        const char *first, *second;
        bool resumes;
    } cases[] = {
        {"localhost", "localhost", true},   {"localhost", "LocalHost", true},
        {"localhost", "other.test", false}, {"localhost", NULL, false},
        {NULL, "localhost", false},         {NULL, NULL, true},
    };

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
            struct rig rig;
            rig_up(&rig, kinds[k]);
            tls_context_set_choose(rig.context, same_for_all, rig.context);
            assert_false(resumes_as(&rig, cases[i].first));
            take_ticket(&rig);
            bool resumed = resumes_as(&rig, cases[i].second);
            if (resumed != cases[i].resumes)
                print_error("kind %zu, case %zu\n", k, i);
            assert_true(resumed == cases[i].resumes);
            exchange(&rig, 100);
            take_ticket(&rig); /* and the ticket of the new name serves the next time */
            assert_true(resumes_as(&rig, cases[i].second));
            rig_down(&rig);
        }
}

/* The first number of our records follows the last of libssl's, however many tickets it sent: the
 * client opens what we seal. */
static void test_session_counts_every_ticket(void **state)
{
    (void)state;
    void (*const kinds[])(SSL_CTX *) = {only_aes128, only_aes256, only_chacha};

    for (size_t k = 0; k < ARRAY_SIZE(kinds); k++)
        for (size_t tickets = 0; tickets <= 8; tickets++) {
            struct rig rig;
            rig_up(&rig, kinds[k]);
            peer_connect(&rig.peer, "localhost", false);
            assert_int_equal(tls_session_create(rig.context, &rig.session), 0);
            assert_int_equal(SSL_set_num_tickets(tls_session_ssl(rig.session), tickets), 1);
            assert_int_equal(run_handshake(&rig.peer, rig.session), 1);
            assert_true(tls_session_has_own_records(rig.session) == own_records);
            exchange(&rig, 20000);
            rig_down(&rig);
        }
}

/* With any other count our records are not to begin. */
static void test_records_refuse_a_wrong_count(void **state)
{
    (void)state;
    struct schedule *schedule;
    struct traffic_secrets secrets = {.len = 32, .has_client = true, .has_server = true};
    unsigned char sealed[3][64];
    struct forger forger;
    struct records *records;
    size_t len = 0;

    assert_int_equal(schedule_create(&schedule), 0);
    EVP_CIPHER *cipher = EVP_CIPHER_fetch(schedule->library, "AES-128-GCM", NULL);
    const struct record_suite suite = {cipher, &schedule->sha256, 16};
    memset(secrets.server, 7, 32);
    forger_init(&forger, schedule, span_of((const char *)secrets.server, 32));
    for (int i = 0; i < 3; i++)
        len = forger_seal(&forger, SPAN("ticket\x16"), sealed[i]);
    for (uint64_t count = 0; count < 6; count++)
        for (int last = 0; last < 3; last++) {
            struct records_written written = {count, span_of((const char *)sealed[last], len)};
            int r = records_create(&suite, &secrets, &written, &records);
            assert_int_equal(r, count == 0 || count == (uint64_t)last + 1 ? 0 : ERR_TLS);
            if (r == 0)
                records_destroy(records);
        }
    forger_finish(&forger);
    EVP_CIPHER_free(cipher);
    schedule_destroy(schedule);
}

/* ---- names and ALPN ---- */

static struct tls_context *refuse_unknown(void *owner, struct span name)
{
    return span_equal(name, SPAN("localhost")) ? owner : NULL;
}

static void test_session_strict_name_gets_an_alert(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, only_aes128);
    tls_context_set_choose(rig.context, refuse_unknown, rig.context);
    assert_int_equal(rig_connect(&rig, false), 1);
    tls_session_destroy(rig.session);
    peer_connect(&rig.peer, "elsewhere.example", false);
    assert_int_equal(tls_session_create(rig.context, &rig.session), 0);
    assert_int_equal(run_handshake(&rig.peer, rig.session), ERR_TLS);
    assert_true(SSL_do_handshake(rig.peer.ssl) <= 0);
    assert_non_null(strstr(tls_last_error(), "unrecognized name"));
    rig_down(&rig);
}

static void offer_h2(SSL_CTX *context)
{
    SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\x8http/1.1\x2h2", 12);
}

static void offer_ftp(SSL_CTX *context)
{
    SSL_CTX_set_alpn_protos(context,
                            (const unsigned char *)"\x3"
                                                   "ftp",
                            4);
}

static void test_session_alpn_prefers_h2_and_refuses_strangers(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, offer_h2);
    assert_int_equal(rig_connect(&rig, false), 1);
    assert_int_equal(tls_session_protocol(rig.session), TLS_HTTP_2);
    rig_down(&rig);
    rig_up(&rig, offer_ftp);
    assert_int_equal(rig_connect(&rig, false), ERR_TLS);
    rig_down(&rig);
    rig_up(&rig, NULL);
    assert_int_equal(rig_connect(&rig, false), 1);
    assert_int_equal(tls_session_protocol(rig.session), TLS_HTTP_1);
    rig_down(&rig);
}

/* ---- records that break the rules ---- */

enum { NO_ALERT = -1, CLOSED = -2 };

/* What the server did with the forged records: the alert that the client got, CLOSED, or NO_ALERT
 * while the connection goes on. @param ret_data  bytes of data that it read; may be NULL */
static int answer_to_forged(const struct span *inner, size_t count, size_t *ret_data)
{
    unsigned char record[RECORD_SEALED_MAX + 512];
    struct schedule *schedule;
    struct forger forger;
    struct rig rig;
    ssize_t n = 0;
    size_t data = 0;
    int alert = NO_ALERT;
    char got[TLS_READ_MIN];

    rig_up(&rig, only_aes128);
    assert_int_equal(schedule_create(&schedule), 0);
    assert_int_equal(rig_connect(&rig, false), 1);
    forger_init(&forger, schedule,
                span_of((const char *)rig.peer.client_secret, rig.peer.secret_len));
    struct tls_io io = {.out = rig.room, .out_cap = ROOM};
    for (size_t i = 0; i < count && n >= 0; i++) {
        size_t len = forger_seal(&forger, inner[i], record);
        io.in = span_of((const char *)record, len);
        n = tls_read(rig.session, &io, got, sizeof got);
        data += n > 0 ? (size_t)n : 0;
    }
    if (n == ERR_TLS) { /* it is over for good */
        struct tls_io later = {.out = rig.room + ROOM / 2, .out_cap = ROOM / 2};
        assert_int_equal(tls_write(rig.session, &later, SPAN("x")), ERR_TLS);
    }
    if (io.out_len > 0)
        assert_int_equal(BIO_write(rig.peer.in, io.out, (int)io.out_len), io.out_len);
    peer_read_alert(&rig.peer, &alert);
    forger_finish(&forger);
    schedule_destroy(schedule);
    rig_down(&rig);
    if (ret_data)
        *ret_data = data;
    return n == ERR_CLOSED ? CLOSED : n == ERR_TLS && alert == NO_ALERT ? ERR_TLS : alert;
}

static int answer_to_many(struct span inner, size_t count)
{
    struct span all[100];

    for (size_t i = 0; i < count; i++)
        all[i] = inner;
    return answer_to_forged(all, count, NULL);
}

enum { UNEXPECTED = 10, OVERFLOW_ = 22, ILLEGAL = 47, DECODE = 50 };

/* RFC 8446 sections 4.6.3, 5.1, 5.4 and 6.2; the cases are those of tlsfuzzer's script for key
 * updates and of its neighbours. */
static void test_session_answers_key_updates_and_alerts_as_the_rfc_says(void **state)
{
    (void)state;
    static const struct {
        struct span records[6];
        int answer;
    } cases[] = {
        {{SPAN("\x18\0\0\1\0\x16")}, NO_ALERT},
        {{SPAN("\x18\0\0\1\1\x16")}, NO_ALERT},
        {{SPAN("\x18\0\0\0\x16")}, DECODE},     /* empty */
        {{SPAN("\x18\0\0\2\0\0\x16")}, DECODE}, /* long */
        {{SPAN("\x18\0\1\0\0\x16")}, DECODE},
        {{SPAN("\x18\1\0\1\0\x16")}, DECODE},
        {{SPAN("\x18\0\0\1\0\x18\0\0\1\0\x16")}, UNEXPECTED}, /* two in a record */
        {{SPAN("\x18\0\0\1\0\0\x16")}, UNEXPECTED},           /* the record does not end with it */
        {{SPAN("\x18\x16"), SPAN("\0\0\1\0\x16")}, NO_ALERT}, /* split, at every byte */
        {{SPAN("\x18\0\x16"), SPAN("\0\1\0\x16")}, NO_ALERT},
        {{SPAN("\x18\0\0\x16"), SPAN("\1\0\x16")}, NO_ALERT},
        {{SPAN("\x18\0\0\1\x16"), SPAN("\0\x16")}, NO_ALERT},
        {{SPAN("\x18\x16"), SPAN("\0\x16"), SPAN("\0\x16"), SPAN("\1\x16"), SPAN("\1\x16")},
         NO_ALERT},
        {{SPAN("\x18\0\0\1\x16"), SPAN("\2\x16")}, ILLEGAL},
        {{SPAN("\x18\0\0\1\x16"), SPAN("\0\0\x16")}, UNEXPECTED},
        {{SPAN("\x18\0\0\1\x16"), SPAN("x\x17")}, UNEXPECTED}, /* data between the pieces */
        {{SPAN("\x18\0\0\1\x16"), SPAN("\1\0\x15")}, UNEXPECTED},
        {{SPAN("\x18\0\0\1\x16"), SPAN("\x16")}, UNEXPECTED}, /* an empty piece */
        {{SPAN("\x16")}, UNEXPECTED},
        {{SPAN("\1\x16")}, UNEXPECTED},        /* a ClientHello */
        {{SPAN("\x4\0\0\0\x16")}, UNEXPECTED}, /* a ticket from a client */
        {{SPAN("\x15")}, UNEXPECTED},          /* an empty alert */
        {{SPAN("\1\x15")}, DECODE},
        {{SPAN("\1\0\0\x15")}, DECODE},
        {{SPAN("\1\0\x15")}, CLOSED},
        {{SPAN("\2\x28\x15")}, ERR_TLS},  /* a fatal one needs no answer */
        {{SPAN("\1\x5a\x15")}, NO_ALERT}, /* user_canceled */
        {{SPAN("\1\x5a\x15"), SPAN("\1\0\x15")}, CLOSED},
        {{SPAN("\1\x14")}, UNEXPECTED},   /* an inner ChangeCipherSpec */
        {{SPAN("\1\x18")}, UNEXPECTED},   /* a heartbeat */
        {{SPAN("\0\0\0\0")}, UNEXPECTED}, /* padding only */
    };

    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        size_t count = 0;
        while (count < ARRAY_SIZE(cases[i].records) && cases[i].records[count].ptr)
            count++;
        int answer = answer_to_forged(cases[i].records, count, NULL);
        if (answer != cases[i].answer && own_records)
            print_error("case %zu: %d\n", i, answer);
        if (own_records)
            assert_int_equal(answer, cases[i].answer);
    }
}

static void test_session_refuses_every_other_kind_of_key_update(void **state)
{
    (void)state;
    for (int value = 2; value < 256; value++) {
        const char message[] = {0x18, 0, 0, 1, (char)value, 0x16};
        struct span one = span_of(message, sizeof message);
        assert_int_equal(answer_to_forged(&one, 1, NULL), ILLEGAL);
    }
}

static void test_session_refuses_forged_records(void **state)
{
    (void)state;
    static char large[16384 + 10];
    const struct span plain = SPAN("hello\x17"), padded = SPAN("hello\x17\0\0\0\0");
    size_t data;

    assert_int_equal(answer_to_forged(&plain, 1, &data), NO_ALERT);
    assert_int_equal(data, 5);
    assert_int_equal(answer_to_forged(&padded, 1, &data), NO_ALERT);
    assert_int_equal(data, 5);
    assert_int_equal(answer_to_many(SPAN("\x17"), 32), NO_ALERT); /* empty, within reason */
    memset(large, 1, sizeof large);
    large[16385] = 23;
    struct span over = span_of(large, 16386);
    assert_int_equal(answer_to_forged(&over, 1, NULL), OVERFLOW_);
    large[16384] = 23;
    over = span_of(large, 16385);
    assert_int_equal(answer_to_forged(&over, 1, &data), NO_ALERT);
    assert_int_equal(data, 16384);
}

static void test_session_ends_floods_of_records_without_data(void **state)
{
    (void)state;
    if (!own_records)
        skip();
    assert_int_equal(answer_to_many(SPAN("\x17"), 33), UNEXPECTED);
    assert_int_equal(answer_to_many(SPAN("\1\x5a\x15"), 32), NO_ALERT);
    assert_int_equal(answer_to_many(SPAN("\1\x5a\x15"), 33), UNEXPECTED);
}

static void test_session_refuses_tampered_records(void **state)
{
    (void)state;
    char *bytes, got[TLS_READ_MIN];

    for (int at = 0; at < 40; at++) {
        struct rig rig;
        rig_up(&rig, only_aes128);
        assert_int_equal(rig_connect(&rig, false), 1);
        assert_int_equal(SSL_write(rig.peer.ssl, rig.data, 50), 50);
        long len = BIO_get_mem_data(rig.peer.out, &bytes);
        assert_true(len > at);
        if (at == 3 || at == 4) { /* a length that fits no record, else it only waits */
            bytes[3] = (char)0xff;
        } else {
            bytes[at] = (char)(bytes[at] ^ 0x40);
        }
        struct tls_io io = {.in = span_of(bytes, (size_t)len), .out = rig.room, .out_cap = ROOM};
        if (at == 2) { /* the minor version is not looked at, but it is authenticated */
            assert_int_equal(tls_read(rig.session, &io, got, sizeof got), ERR_TLS);
        } else {
            assert_int_equal(tls_read(rig.session, &io, got, sizeof got), ERR_TLS);
        }
        assert_true(io.out_len > 0); /* the client learns why */
        rig_down(&rig);
    }
}

static void test_session_ends_a_flood_of_key_updates(void **state)
{
    (void)state;
    struct rig rig;
    char got[TLS_READ_MIN];
    ssize_t n = 0;
    int updates = 0;

    if (!own_records) /* libssl follows them without end */
        skip();
    rig_up(&rig, only_aes128);
    assert_int_equal(rig_connect(&rig, false), 1);
    for (; n == 0 && updates < 200; updates++) {
        assert_int_equal(SSL_key_update(rig.peer.ssl, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
        assert_int_equal(SSL_do_handshake(rig.peer.ssl), 1);
        n = server_read(&rig.peer, rig.session, got, sizeof got);
    }
    assert_int_equal(n, ERR_TLS);
    assert_int_equal(updates, 65);
    rig_down(&rig);
}

/* What one session's peer did wrong must not be held against the next one. */
static void test_session_survives_the_errors_of_another(void **state)
{
    (void)state;
    struct rig bad, good;
    struct tls_io io;
    char got[TLS_READ_MIN], *bytes;

    rig_up(&bad, only_tls12);
    rig_up(&good, only_tls12);
    assert_int_equal(rig_connect(&bad, false), 1);
    assert_int_equal(rig_connect(&good, false), 1);
    assert_int_equal(SSL_write(bad.peer.ssl, bad.data, 50), 50);
    long len = BIO_get_mem_data(bad.peer.out, &bytes);
    bytes[len - 1] ^= 1;
    assert_int_equal(server_read(&bad.peer, bad.session, got, sizeof got), ERR_TLS);
    io = (struct tls_io){.in = SPAN("\x17\3\3"), .out = good.room, .out_cap = ROOM};
    assert_int_equal(tls_read(good.session, &io, got, sizeof got), 0);
    rig_down(&bad);
    rig_down(&good);
}

static void ask_for_short_records(SSL_CTX *context)
{
    SSL_CTX_set_ciphersuites(context, "TLS_AES_128_GCM_SHA256");
    SSL_CTX_set_tlsext_max_fragment_length(context, TLSEXT_max_fragment_length_1024);
}

static void test_session_sends_records_as_short_as_asked_for(void **state)
{
    (void)state;
    struct rig rig;

    rig_up(&rig, ask_for_short_records);
    assert_int_equal(rig_connect(&rig, false), 1);
    exchange(&rig, 5000);
    struct tls_io io = {.out = rig.room, .out_cap = ROOM};
    assert_int_equal(tls_write(rig.session, &io, span_of(rig.data, 5000)), 0);
    for (size_t at = 0; at < io.out_len;) {
        const unsigned char *record = (const unsigned char *)io.out + at;
        size_t sealed = (size_t)record[3] << 8 | record[4];
        assert_true(sealed <= 1024 + 1 + 16);
        at += 5 + sealed;
    }
    rig_down(&rig);
}

/* ---- the key schedule ---- */

static int derive(OSSL_LIB_CTX *library, const char *query, int mode, const char *digest,
                  const struct span parts[4], unsigned char *out, size_t len)
{
    static const char *const names[4] = {OSSL_KDF_PARAM_KEY, OSSL_KDF_PARAM_SALT,
                                         OSSL_KDF_PARAM_LABEL, OSSL_KDF_PARAM_DATA};
    OSSL_PARAM params[8], *at = params;
    EVP_KDF *kdf = EVP_KDF_fetch(library, "TLS13-KDF", query);
    EVP_KDF_CTX *context = EVP_KDF_CTX_new(kdf);

    *at++ = OSSL_PARAM_construct_int(OSSL_KDF_PARAM_MODE, &mode);
    *at++ = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, (char *)(uintptr_t)digest, 0);
    *at++ = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_PREFIX, (char[]){"tls13 "}, 6);
    for (int i = 0; i < 4; i++)
        if (parts[i].ptr)
            *at++ = OSSL_PARAM_construct_octet_string(names[i], (char *)(uintptr_t)parts[i].ptr,
                                                      parts[i].len);
    *at = OSSL_PARAM_construct_end();
    int r = EVP_KDF_derive(context, out, len, params);
    EVP_KDF_CTX_free(context);
    EVP_KDF_free(kdf);
    return r;
}

static void test_schedule_agrees_with_openssl(void **state)
{
    (void)state;
    struct schedule *schedule;
    unsigned char random[256], ours[64], theirs[64];

    assert_int_equal(schedule_create(&schedule), 0);
    EVP_KDF *kdf = EVP_KDF_fetch(schedule->library, "TLS13-KDF", NULL);
    assert_string_equal(OSSL_PROVIDER_get0_name(EVP_KDF_get0_provider(kdf)), "gardien-schedule");
    EVP_KDF_free(kdf);
    for (int i = 0; i < 2000; i++) {
        const char *digest = i & 1 ? "SHA256" : "SHA384";
        size_t hash = i & 1 ? 32 : 48;
        int mode = i & 2 ? EVP_KDF_HKDF_MODE_EXTRACT_ONLY : EVP_KDF_HKDF_MODE_EXPAND_ONLY;
        RAND_bytes(random, sizeof random);
        const char *bytes = (const char *)random;
        struct span parts[4] = {span_of(bytes, hash),
                                {0},
                                span_of(bytes + 64, random[255] % 20 + 1),
                                span_of(bytes + 128, random[254] % 64)};
        if (mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY) {
            parts[1] = i & 4 ? span_of(bytes + 192, hash) : (struct span){0};
            parts[0] = i & 8 ? parts[0] : (struct span){0};
            parts[3] = (struct span){0};
        }
        size_t len = mode == EVP_KDF_HKDF_MODE_EXTRACT_ONLY ? hash : random[253] % hash + 1;
        assert_int_equal(derive(schedule->library, NULL, mode, digest, parts, ours, len), 1);
        assert_int_equal(derive(NULL, NULL, mode, digest, parts, theirs, len), 1);
        assert_memory_equal(ours, theirs, len);
    }
    schedule_destroy(schedule);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_exchanges_data_with_every_suite),
        cmocka_unit_test(test_session_refuses_tls_1_1),
        cmocka_unit_test(test_session_modern_profile_refuses_tls_1_2),
        cmocka_unit_test(test_session_follows_key_updates),
        cmocka_unit_test(test_session_reads_byte_by_byte),
        cmocka_unit_test(test_session_closes_both_ways),
        cmocka_unit_test(test_session_resumes_again_and_again),
        cmocka_unit_test(test_session_ticket_outlives_two_key_rotations),
        cmocka_unit_test(test_session_ticket_of_another_worker_resumes),
        cmocka_unit_test(test_session_strict_name_gets_an_alert),
        cmocka_unit_test(test_session_alpn_prefers_h2_and_refuses_strangers),
        cmocka_unit_test(test_session_refuses_forged_records),
        cmocka_unit_test(test_session_answers_key_updates_and_alerts_as_the_rfc_says),
        cmocka_unit_test(test_session_refuses_every_other_kind_of_key_update),
        cmocka_unit_test(test_session_ends_floods_of_records_without_data),
        cmocka_unit_test(test_session_ticket_resumes_under_its_own_name_only),
        cmocka_unit_test(test_session_counts_every_ticket),
        cmocka_unit_test(test_records_refuse_a_wrong_count),
        cmocka_unit_test(test_session_refuses_tampered_records),
        cmocka_unit_test(test_session_ends_a_flood_of_key_updates),
        cmocka_unit_test(test_session_survives_the_errors_of_another),
        cmocka_unit_test(test_session_sends_records_as_short_as_asked_for),
        cmocka_unit_test(test_schedule_agrees_with_openssl),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
