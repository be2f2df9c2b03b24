/* Rules of SecLang at work: operators, transformations, chains, scores, exclusions, bodies. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "waf_rig.h"

struct row {
    const char *rules;
    const char *target;
    const char *headers;
    const char *body;
    const char *ids; /* that match, in order */
    int status;
};

#define FORM "Content-Type: application/x-www-form-urlencoded\n"
#define JSON "Content-Type: application/json\n"
#define AS_JSON                                                                                    \
    "SecRule REQUEST_HEADERS:Content-Type \"json\" "                                               \
    "\"id:9,phase:1,nolog,ctl:requestBodyProcessor=JSON\"\n"
#define PARTS "Content-Type: multipart/form-data; boundary=b\n"

static void run_rows(const struct row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct diags diags = {0};
        struct waf_rules *rules = waf_rig_load(rows[i].rules, &diags);
        char ids[200];
        if (!rules)
            fail_msg("%s: %s", rows[i].rules, diags.count ? diags.items[0].sentence : "?");
        int status = waf_rig_run(rules, rows[i].target, rows[i].headers ? rows[i].headers : "",
                                 span_str(rows[i].body ? rows[i].body : ""), ids, sizeof ids);
        if (strcmp(ids, rows[i].ids) != 0 || status != rows[i].status)
            fail_msg("row %zu: %s -> \"%s\", %d", i, rows[i].rules, ids, status);
        waf_rules_destroy(rules);
        diags_finish(&diags);
    }
}

static void test_operators(void **state)
{
    static const struct row rows[] = {
        {"SecRule ARGS \"@rx ^a.c$\" \"id:1,deny\"", "/?x=abc", NULL, NULL, "1 ", 403},
        {"SecRule ARGS \"!@rx ^a\" \"id:1,deny,status:418\"", "/?x=abc&y=b", NULL, NULL, "1 ", 418},
        {"SecRule ARGS \"@pm union SELECT\" \"id:1,pass\"", "/?x=aSelecta", NULL, NULL, "1 ", 0},
        {"SecRule ARGS \"@contains b\" \"id:1,pass\"", "/?x=abc", NULL, NULL, "1 ", 0},
        {"SecRule ARGS \"@within a,b\" \"id:1,pass\"", "/?x=b&y=c", NULL, NULL, "1 ", 0},
        {"SecRule ARGS \"@streq a\" \"id:1,pass\"", "/?x=A", NULL, NULL, "", 0},
        {"SecRule ARGS \"@gt 9\" \"id:1,pass\"", "/?x=10abc&y=9.9", NULL, NULL, "1 ", 0},
        {"SecRule REMOTE_ADDR \"@ipMatch 192.0.2.0/24,2001:db8::1\" \"id:1,pass\"", "/", NULL, NULL,
         "1 ", 0},
        {"SecRule REMOTE_ADDR \"!@ipMatch 10.0.0.0/8\" \"id:1,pass\"", "/", NULL, NULL, "1 ", 0},
        {"SecRule ARGS \"@validateByteRange 32-126\" \"id:1,pass\"", "/?x=%01", NULL, NULL, "1 ",
         0},
        {"SecRule ARGS \"@validateUtf8Encoding\" \"id:1,pass\"", "/?x=%c3%a9&y=%c3", NULL, NULL,
         "1 ", 0},
        {"SecRule REQUEST_URI_RAW \"@validateUrlEncoding\" \"id:1,pass,phase:1\"", "/?x=%zz", NULL,
         NULL, "1 ", 0},
        {"SecRule &ARGS:x \"@eq 2\" \"id:1,pass\"", "/?x=1&X=2&y=3", NULL, NULL, "1 ", 0},
        {"SecRule ARGS:/^x/ \"@streq 2\" \"id:1,pass\"", "/?xx=2&y=2", NULL, NULL, "1 ", 0},
        {"SecRule ARGS|!ARGS:b \"@streq 1\" \"id:1,pass\"", "/?b=1", NULL, NULL, "", 0},
        {"SecRule REQUEST_COOKIES:a \"@streq 1\" \"id:1,pass\"", "/", "Cookie: b=2; a=1\n", NULL,
         "1 ", 0},
        {"SecRule ARGS \"@contains %{tx.a}\" \"id:1,pass\"", "/?x=1", NULL, NULL, "1 ", 0},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_chains_scores_and_skips(void **state)
{
    static const struct row rows[] = {
        {"SecRule ARGS:a \"@streq 1\" \"id:1,deny,chain\"\nSecRule ARGS:b \"@streq 2\"",
         "/?a=1&b=2", NULL, NULL, "1 ", 403},
        {"SecRule ARGS:a \"@streq 1\" \"id:1,deny,chain\"\nSecRule ARGS:b \"@streq 2\"", "/?a=1",
         NULL, NULL, "", 0},
        {"SecRule ARGS \"@rx .\" \"id:1,nolog,pass,setvar:tx.s=+%{tx.n},setvar:tx.n=2\"\n"
         "SecRule TX:s \"@eq 2\" \"id:2,deny\"",
         "/?a=1&b=2", NULL, NULL, "2 ", 403},
        {"SecAction \"id:1,nolog,pass,setvar:tx.s=3\"\n"
         "SecAction \"id:2,nolog,pass,setvar:tx.s=-5\"\nSecRule TX:s \"@eq 0\" \"id:3,pass\"",
         "/", NULL, NULL, "3 ", 0},
        {"SecRule ARGS:a \"@rx .\" \"id:1,pass,skipAfter:END\"\nSecAction \"id:2,pass\"\n"
         "SecMarker END\nSecAction \"id:3,pass\"",
         "/?a=1", NULL, NULL, "1 3 ", 0},
        {"SecAction \"id:1,pass,skip:1\"\nSecAction \"id:2,pass\"\nSecAction \"id:3,pass\"", "/",
         NULL, NULL, "1 3 ", 0},
        {"SecRule ARGS:a \"@rx ^(.)(.)\" \"id:1,pass,capture,nolog\"\n"
         "SecRule TX:2 \"@streq b\" \"id:2,pass\"",
         "/?a=abc", NULL, NULL, "2 ", 0},
        {"SecRule ARGS \"@streq 2\" \"id:1,pass,nolog,chain\"\nSecRule MATCHED_VAR_NAME "
         "\"@streq ARGS:b\" \"setvar:tx.hit=1\"\nSecRule TX:hit \"@eq 1\" \"id:2,pass\"",
         "/?a=1&b=2", NULL, NULL, "2 ", 0},
        {"SecAction \"id:1,nolog,allow\"\nSecAction \"id:2,deny\"", "/", NULL, NULL, "", 0},
        {"SecRuleEngine DetectionOnly\nSecAction \"id:1,deny\"", "/", NULL, NULL, "1 ", 0},
        {"SecDefaultAction \"phase:2,deny,status:444,log\"\nSecAction \"id:1,block\"", "/", NULL,
         NULL, "1 ", 444},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_exclusions_at_load_and_at_run_time(void **state)
{
    static const struct row rows[] = {
        {"SecAction \"id:1,deny\"\nSecRuleRemoveById 1", "/", NULL, NULL, "", 0},
        {"SecAction \"id:15,deny,tag:a-b\"\nSecRuleRemoveByTag ^a-", "/", NULL, NULL, "", 0},
        {"SecRule ARGS \"x\" \"id:1,deny\"\nSecRuleUpdateTargetById 1 \"!ARGS:a\"", "/?a=x", NULL,
         NULL, "", 0},
        {"SecAction \"id:1,phase:1,nolog,pass,ctl:ruleRemoveById=5-9\"\nSecAction \"id:7,deny\"",
         "/", NULL, NULL, "", 0},
        {"SecAction \"id:1,phase:1,nolog,pass,ctl:ruleRemoveTargetById=7;ARGS:a\"\n"
         "SecRule ARGS \"x\" \"id:7,deny\"",
         "/?a=x", NULL, NULL, "", 0},
        {"SecAction \"id:1,phase:1,nolog,pass,ctl:ruleRemoveTargetByTag=sql;ARGS:a\"\n"
         "SecRule ARGS \"x\" \"id:7,deny,tag:attack-sql\"",
         "/?a=x&b=x", NULL, NULL, "7 ", 403},
        {"SecAction \"id:1,phase:1,nolog,pass,ctl:ruleEngine=Off\"\nSecAction \"id:2,deny\"", "/",
         NULL, NULL, "", 0},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_transformations_change_what_is_looked_at(void **state)
{
    static const struct {
        const char *chain;
        const char *value; /* of an argument, encoded */
        const char *result;
    } rows[] = {
        {"t:lowercase", "AbC", "abc"},
        {"t:urlDecodeUni", "%2541%25u0042%25uff41", "ABa"},
        {"t:htmlEntityDecode", "%26lt;%26%2365;%26%23x42%26nbsp", "<AB\xa0"},
        {"t:jsDecode", "%5Cx41%5Cu0042%5C103%5Cn", "ABC\n"},
        {"t:cssDecode", "%5C41%20%5C0042x%5Cyz", "ABxyz"},
        {"t:base64Decode", "QUJD", "ABC"},
        {"t:base64Decode", "QUI", "AB"},
        {"t:hexDecode", "414243", "ABC"},
        {"t:hexEncode", "AB", "4142"},
        {"t:length", "abcd", "4"},
        {"t:removeNulls", "a%00b", "ab"},
        {"t:replaceNulls", "a%00b", "a b"},
        {"t:removeWhitespace", "a%20%09b%a0c", "abc"},
        {"t:compressWhitespace", "a%20%09%20b", "a b"},
        {"t:trim", "%20a%20b%20", "a b"},
        {"t:replaceComments", "a/*x*/b/*y", "a b "},
        {"t:removeComments", "a/*x*/b--c", "ab"},
        {"t:removeCommentsChar", "a/*x*/b%23c", "axbc"},
        {"t:cmdLine", "C%5E:%5C%22x%22%20,;%20/Y", "c:x/y"},
        {"t:normalizePath", "/a//b/./c/../d/", "/a/b/d/"},
        {"t:normalizePath", "a/../../b", "../b"},
        {"t:normalizePathWin", "%5Ca%5Cb%5C..%5Cc", "/a/c"},
        {"t:utf8toUnicode", "%c3%a9x", "%u00e9x"},
        {"t:sqlHexDecode", "0x414243%20x", "ABC x"},
        {"t:escapeSeqDecode", "%5Cx41%5C102%5C%5C%5Cq", "AB\\\\q"},
        {"t:md5,t:hexEncode", "a", "0cc175b9c0f1b6a831c399e269772661"},
        {"t:sha1,t:hexEncode", "a", "86f7e437faa5a7fce15d1ddcb9eaeaea377667b8"},
        {"t:urlEncode", "a%20%2F", "a+%2f"},
        {"t:lowercase,t:none,t:uppercase", "ab", "AB"},
    };

    for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
        struct diags diags = {0};
        scoped(mem_release) char *text = mem_format(
            "SecRule ARGS:p \"@rx ^(.*)$\" \"id:1,pass,nolog,capture,%s,setvar:'tx.r=%%{TX.1}'\"\n"
            "SecRule ARGS:e \"!@streq %%{tx.r}\" \"id:2,pass\"",
            rows[i].chain);
        struct waf_rules *rules = waf_rig_load(text, &diags);
        struct buffer target = buffer_make(4096);
        char ids[64];
        assert_non_null(rules);
        assert_int_equal(buffer_printf(&target, "/?p=%s&e=", rows[i].value), 0);
        for (const char *c = rows[i].result; *c; c++)
            assert_int_equal(buffer_printf(&target, "%%%02x", (unsigned char)*c), 0);
        assert_int_equal(buffer_append(&target, "", 1), 0);
        waf_rig_run(rules, target.data, "", SPAN(""), ids, sizeof ids);
        if (ids[0])
            fail_msg("%s of %s is not %s", rows[i].chain, rows[i].value, rows[i].result);
        buffer_finish(&target);
        waf_rules_destroy(rules);
        diags_finish(&diags);
    }
}

static void test_bodies_become_arguments(void **state)
{
    static const struct row rows[] = {
        {"SecRule ARGS_POST:a \"@streq b c\" \"id:1,deny\"", "/", FORM, "x=1&a=b+c", "1 ", 403},
        {"SecRule REQUEST_BODY \"@contains a=b\" \"id:1,pass\"", "/", FORM, "a=b", "1 ", 0},
        {"SecRule REQUEST_BODY \"@contains a=b\" \"id:1,pass\"", "/", "Content-Type: text/plain\n",
         "a=b", "", 0},
        {AS_JSON "SecRule ARGS:json.a.array_1.b \"@streq x\" \"id:1,pass\"", "/", JSON,
         "{\"a\":[1,{\"b\":\"x\"}],\"a\":2}", "1 ", 0},
        {AS_JSON "SecRule REQBODY_ERROR \"@eq 1\" \"id:1,pass\"", "/", JSON, "{\"a\":", "1 ", 0},
        {AS_JSON "SecRule REQBODY_ERROR \"@eq 1\" \"id:1,pass\"", "/", JSON, "{\"a\":1} x", "1 ",
         0},
        {"SecRule ARGS:a \"@streq v\" \"id:1,pass\"\nSecRule FILES:f \"@streq x.php\" "
         "\"id:2,pass\"\n"
         "SecRule MULTIPART_STRICT_ERROR \"@eq 1\" \"id:3,pass\"",
         "/", PARTS,
         "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n--b\r\n"
         "Content-Disposition: form-data; name=\"f\"; filename=\"x.php\"\r\n\r\n<?\r\n--b--\r\n",
         "1 2 ", 0},
        {"SecRule MULTIPART_STRICT_ERROR \"@eq 1\" \"id:3,pass\"", "/", PARTS,
         "--b\nContent-Disposition: form-data; name=\"a\"\n\nv\n--b--\n", "3 ", 0},
        {"SecRule REQBODY_ERROR \"@eq 1\" \"id:3,pass\"", "/", PARTS,
         "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\nv\r\n", "3 ", 0},
        {"SecRule MULTIPART_UNMATCHED_BOUNDARY \"@eq 1\" \"id:3,pass\"", "/", PARTS,
         "--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n--c\r\n--b--\r\n", "3 ", 0},
        {"SecRule REQUEST_HEADERS:Content-Type \"xml\" \"id:9,phase:1,nolog,pass,"
         "ctl:requestBodyProcessor=XML\"\nSecRule XML:/* \"@contains onetwo\" \"id:1,pass\"\n"
         "SecRule XML://@* \"@streq v\" \"id:2,pass\"",
         "/", "Content-Type: text/xml\n", "<a k=\"v\"><b>one</b>two</a>", "1 2 ", 0},
        {"SecRule REQUEST_HEADERS:Content-Type \"xml\" \"id:9,phase:1,nolog,pass,"
         "ctl:requestBodyProcessor=XML\"\nSecRule XML:/* \"@contains root:\" \"id:1,pass\"",
         "/", "Content-Type: text/xml\n",
         "<!DOCTYPE a [<!ENTITY e SYSTEM \"file:///etc/passwd\">]><a>&e;</a>", "", 0},
    };

    run_rows(rows, ARRAY_SIZE(rows));
}

static void test_more_arguments_than_are_kept_are_an_error_of_the_body(void **state)
{
    struct diags diags = {0};
    struct waf_rules *rules = waf_rig_load("SecRule REQBODY_ERROR \"@eq 1\" \"id:1,deny\"", &diags);
    struct buffer body = buffer_make(1 << 16);
    char ids[64];

    for (int i = 0; i < 1001; i++)
        assert_int_equal(buffer_printf(&body, "a%d=1&", i), 0);
    assert_int_equal(waf_rig_run(rules, "/", FORM, buffer_span(&body), ids, sizeof ids), 403);
    buffer_finish(&body);
    waf_rules_destroy(rules);
}

static void test_what_takes_too_long_is_refused(void **state)
{
    struct diags diags = {0};
    struct buffer text = buffer_make(1 << 16), body = buffer_make(1 << 18);
    char ids[64];

    for (int i = 1; i <= 200; i++)
        assert_int_equal(buffer_printf(&text, "SecRule ARGS \"(x+x+)+y%d\" \"id:%d,deny\"\n", i, i),
                         0);
    assert_int_equal(buffer_append(&text, "", 1), 0);
    struct waf_rules *rules = waf_rig_load(text.data, &diags);
    assert_non_null(rules);
    assert_int_equal(buffer_printf(&body, "a="), 0);
    for (int i = 0; i < 100000; i++)
        assert_int_equal(buffer_append(&body, "x", 1), 0);
    /* What each pattern needs stands at the end, where it does not match. */
    assert_int_equal(buffer_printf(&body, "zy0123456789"), 0);
    nsec_t began = nsec_monotonic();
    assert_int_equal(waf_rig_run(rules, "/", FORM, buffer_span(&body), ids, sizeof ids), 403);
    assert_true(nsec_monotonic() - began < 5 * NSEC_PER_SEC);
    buffer_finish(&text);
    buffer_finish(&body);
    waf_rules_destroy(rules);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_operators),
        cmocka_unit_test(test_chains_scores_and_skips),
        cmocka_unit_test(test_exclusions_at_load_and_at_run_time),
        cmocka_unit_test(test_transformations_change_what_is_looked_at),
        cmocka_unit_test(test_bodies_become_arguments),
        cmocka_unit_test(test_more_arguments_than_are_kept_are_an_error_of_the_body),
        cmocka_unit_test(test_what_takes_too_long_is_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
