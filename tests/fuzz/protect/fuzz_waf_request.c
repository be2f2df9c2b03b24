/* Requests through rules that use every transformation, operator and body processor. The first byte
 * picks the content type; the rest is target, a line end, and the body. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include "../../unit/protect/waf_rig.h"
#include "base/mem.h"

static const char rules_text[] =
    "SecRule REQUEST_HEADERS:Content-Type \"json\" "
    "\"id:1,phase:1,pass,nolog,ctl:requestBodyProcessor=JSON\"\n"
    "SecRule REQUEST_HEADERS:Content-Type \"xml\" "
    "\"id:2,phase:1,pass,nolog,ctl:requestBodyProcessor=XML\"\n"
    "SecRule ARGS|ARGS_NAMES|REQUEST_COOKIES|FILES|XML:/*|XML://@*|MULTIPART_PART_HEADERS \"@rx "
    "(a+)+$\" "
    "\"id:3,pass,capture,t:none,t:urlDecodeUni,t:htmlEntityDecode,t:jsDecode,t:cssDecode,t:"
    "lowercase,"
    "t:removeNulls,t:compressWhitespace,logdata:'%{TX.1} %{MATCHED_VAR}'\"\n"
    "SecRule ARGS \"@contains x\" \"id:4,pass,multiMatch,t:base64Decode,t:hexDecode,t:sqlHexDecode,"
    "t:utf8toUnicode,t:normalizePathWin,t:cmdLine,t:replaceComments,t:removeComments,"
    "t:escapeSeqDecode,t:urlDecode,t:trim,t:length\"\n"
    "SecRule ARGS|REQUEST_URI_RAW \"@detectSQLi\" \"id:5,pass,setvar:tx.s=+1\"\n"
    "SecRule ARGS|REQUEST_URI_RAW \"@detectXSS\" \"id:6,pass,setvar:tx.s=+1\"\n"
    "SecRule ARGS \"@validateUtf8Encoding\" \"id:7,pass\"\n"
    "SecRule REQUEST_URI \"@validateUrlEncoding\" \"id:8,pass\"\n"
    "SecRule &ARGS \"@gt %{tx.s}\" \"id:9,pass,chain\"\nSecRule MATCHED_VARS \"!@within 1 2 3\" "
    "\"t:none\"\n";

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const types[] = {
        "Content-Type: application/x-www-form-urlencoded\n",
        "Content-Type: multipart/form-data; boundary=b\n",
        "Content-Type: application/json\n",
        "Content-Type: text/xml\nCookie: a=b; c\n",
    };
    static struct waf_rules *rules;
    struct diags diags = {0};
    char ids[256];

    if (!rules)
        rules = waf_rig_load(rules_text, &diags);
    if (!rules)
        abort();
    if (size < 2 || size > 8192)
        return 0;
    struct span rest = span_of((const char *)data + 1, size - 1), target;
    if (!span_next(&rest, '\n', &target))
        return 0;
    scoped(mem_release) char *line = mem_string(target);
    waf_rig_run(rules, line, types[(uint8_t)(data[0] - '0') % ARRAY_SIZE(types)],
                rest.ptr ? rest : SPAN(""), ids, sizeof ids);
    return 0;
}
