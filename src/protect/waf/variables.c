/* The variables that rules can look at, by name. What their values are is transaction.c's. */
#include "protect/waf/variables.h"

#include "base/macros.h"

static const struct variable {
    struct span name;
    bool collection;
} variables[WAF_VARIABLES] = {
    [WAF_ARGS] = {SPAN("ARGS"), true},
    [WAF_ARGS_COMBINED_SIZE] = {SPAN("ARGS_COMBINED_SIZE"), false},
    [WAF_ARGS_GET] = {SPAN("ARGS_GET"), true},
    [WAF_ARGS_GET_NAMES] = {SPAN("ARGS_GET_NAMES"), true},
    [WAF_ARGS_NAMES] = {SPAN("ARGS_NAMES"), true},
    [WAF_ARGS_POST] = {SPAN("ARGS_POST"), true},
    [WAF_ARGS_POST_NAMES] = {SPAN("ARGS_POST_NAMES"), true},
    [WAF_AUTH_TYPE] = {SPAN("AUTH_TYPE"), false},
    [WAF_DURATION] = {SPAN("DURATION"), false},
    [WAF_ENV] = {SPAN("ENV"), true},
    [WAF_FILES] = {SPAN("FILES"), true},
    [WAF_FILES_COMBINED_SIZE] = {SPAN("FILES_COMBINED_SIZE"), false},
    [WAF_FILES_NAMES] = {SPAN("FILES_NAMES"), true},
    [WAF_FILES_SIZES] = {SPAN("FILES_SIZES"), true},
    [WAF_FULL_REQUEST] = {SPAN("FULL_REQUEST"), false},
    [WAF_FULL_REQUEST_LENGTH] = {SPAN("FULL_REQUEST_LENGTH"), false},
    [WAF_GEO] = {SPAN("GEO"), true},
    [WAF_GLOBAL] = {SPAN("GLOBAL"), true},
    [WAF_HIGHEST_SEVERITY] = {SPAN("HIGHEST_SEVERITY"), false},
    [WAF_INBOUND_DATA_ERROR] = {SPAN("INBOUND_DATA_ERROR"), false},
    [WAF_IP] = {SPAN("IP"), true},
    [WAF_MATCHED_VAR] = {SPAN("MATCHED_VAR"), false},
    [WAF_MATCHED_VARS] = {SPAN("MATCHED_VARS"), true},
    [WAF_MATCHED_VARS_NAMES] = {SPAN("MATCHED_VARS_NAMES"), true},
    [WAF_MATCHED_VAR_NAME] = {SPAN("MATCHED_VAR_NAME"), false},
    [WAF_MULTIPART_BOUNDARY_QUOTED] = {SPAN("MULTIPART_BOUNDARY_QUOTED"), false},
    [WAF_MULTIPART_BOUNDARY_WHITESPACE] = {SPAN("MULTIPART_BOUNDARY_WHITESPACE"), false},
    [WAF_MULTIPART_CRLF_LF_LINES] = {SPAN("MULTIPART_CRLF_LF_LINES"), false},
    [WAF_MULTIPART_DATA_AFTER] = {SPAN("MULTIPART_DATA_AFTER"), false},
    [WAF_MULTIPART_DATA_BEFORE] = {SPAN("MULTIPART_DATA_BEFORE"), false},
    [WAF_MULTIPART_FILENAME] = {SPAN("MULTIPART_FILENAME"), true},
    [WAF_MULTIPART_FILE_LIMIT_EXCEEDED] = {SPAN("MULTIPART_FILE_LIMIT_EXCEEDED"), false},
    [WAF_MULTIPART_HEADER_FOLDING] = {SPAN("MULTIPART_HEADER_FOLDING"), false},
    [WAF_MULTIPART_INVALID_HEADER_FOLDING] = {SPAN("MULTIPART_INVALID_HEADER_FOLDING"), false},
    [WAF_MULTIPART_INVALID_PART] = {SPAN("MULTIPART_INVALID_PART"), false},
    [WAF_MULTIPART_INVALID_QUOTING] = {SPAN("MULTIPART_INVALID_QUOTING"), false},
    [WAF_MULTIPART_LF_LINE] = {SPAN("MULTIPART_LF_LINE"), false},
    [WAF_MULTIPART_MISSING_SEMICOLON] = {SPAN("MULTIPART_MISSING_SEMICOLON"), false},
    [WAF_MULTIPART_NAME] = {SPAN("MULTIPART_NAME"), true},
    [WAF_MULTIPART_PART_HEADERS] = {SPAN("MULTIPART_PART_HEADERS"), true},
    [WAF_MULTIPART_STRICT_ERROR] = {SPAN("MULTIPART_STRICT_ERROR"), false},
    [WAF_MULTIPART_UNMATCHED_BOUNDARY] = {SPAN("MULTIPART_UNMATCHED_BOUNDARY"), false},
    [WAF_OUTBOUND_DATA_ERROR] = {SPAN("OUTBOUND_DATA_ERROR"), false},
    [WAF_PATH_INFO] = {SPAN("PATH_INFO"), false},
    [WAF_QUERY_STRING] = {SPAN("QUERY_STRING"), false},
    [WAF_REMOTE_ADDR] = {SPAN("REMOTE_ADDR"), false},
    [WAF_REMOTE_HOST] = {SPAN("REMOTE_HOST"), false},
    [WAF_REMOTE_PORT] = {SPAN("REMOTE_PORT"), false},
    [WAF_REMOTE_USER] = {SPAN("REMOTE_USER"), false},
    [WAF_REQBODY_ERROR] = {SPAN("REQBODY_ERROR"), false},
    [WAF_REQBODY_ERROR_MSG] = {SPAN("REQBODY_ERROR_MSG"), false},
    [WAF_REQBODY_PROCESSOR] = {SPAN("REQBODY_PROCESSOR"), false},
    [WAF_REQBODY_PROCESSOR_ERROR] = {SPAN("REQBODY_PROCESSOR_ERROR"), false},
    [WAF_REQBODY_PROCESSOR_ERROR_MSG] = {SPAN("REQBODY_PROCESSOR_ERROR_MSG"), false},
    [WAF_REQUEST_BASENAME] = {SPAN("REQUEST_BASENAME"), false},
    [WAF_REQUEST_BODY_VARIABLE] = {SPAN("REQUEST_BODY"), false},
    [WAF_REQUEST_BODY_LENGTH] = {SPAN("REQUEST_BODY_LENGTH"), false},
    [WAF_REQUEST_COOKIES] = {SPAN("REQUEST_COOKIES"), true},
    [WAF_REQUEST_COOKIES_NAMES] = {SPAN("REQUEST_COOKIES_NAMES"), true},
    [WAF_REQUEST_FILENAME] = {SPAN("REQUEST_FILENAME"), false},
    [WAF_REQUEST_HEADERS_VARIABLE] = {SPAN("REQUEST_HEADERS"), true},
    [WAF_REQUEST_HEADERS_NAMES] = {SPAN("REQUEST_HEADERS_NAMES"), true},
    [WAF_REQUEST_LINE] = {SPAN("REQUEST_LINE"), false},
    [WAF_REQUEST_METHOD] = {SPAN("REQUEST_METHOD"), false},
    [WAF_REQUEST_PROTOCOL] = {SPAN("REQUEST_PROTOCOL"), false},
    [WAF_REQUEST_URI] = {SPAN("REQUEST_URI"), false},
    [WAF_REQUEST_URI_RAW] = {SPAN("REQUEST_URI_RAW"), false},
    [WAF_RESOURCE] = {SPAN("RESOURCE"), true},
    [WAF_RESPONSE_BODY_VARIABLE] = {SPAN("RESPONSE_BODY"), false},
    [WAF_RESPONSE_CONTENT_LENGTH] = {SPAN("RESPONSE_CONTENT_LENGTH"), false},
    [WAF_RESPONSE_CONTENT_TYPE] = {SPAN("RESPONSE_CONTENT_TYPE"), false},
    [WAF_RESPONSE_HEADERS_VARIABLE] = {SPAN("RESPONSE_HEADERS"), true},
    [WAF_RESPONSE_HEADERS_NAMES] = {SPAN("RESPONSE_HEADERS_NAMES"), true},
    [WAF_RESPONSE_PROTOCOL] = {SPAN("RESPONSE_PROTOCOL"), false},
    [WAF_RESPONSE_STATUS] = {SPAN("RESPONSE_STATUS"), false},
    [WAF_RULE] = {SPAN("RULE"), true},
    [WAF_SERVER_ADDR] = {SPAN("SERVER_ADDR"), false},
    [WAF_SERVER_NAME] = {SPAN("SERVER_NAME"), false},
    [WAF_SERVER_PORT] = {SPAN("SERVER_PORT"), false},
    [WAF_SESSION] = {SPAN("SESSION"), true},
    [WAF_SESSIONID] = {SPAN("SESSIONID"), false},
    [WAF_STATUS_LINE] = {SPAN("STATUS_LINE"), false},
    [WAF_TIME] = {SPAN("TIME"), false},
    [WAF_TIME_DAY] = {SPAN("TIME_DAY"), false},
    [WAF_TIME_EPOCH] = {SPAN("TIME_EPOCH"), false},
    [WAF_TIME_HOUR] = {SPAN("TIME_HOUR"), false},
    [WAF_TIME_MIN] = {SPAN("TIME_MIN"), false},
    [WAF_TIME_MON] = {SPAN("TIME_MON"), false},
    [WAF_TIME_SEC] = {SPAN("TIME_SEC"), false},
    [WAF_TIME_WDAY] = {SPAN("TIME_WDAY"), false},
    [WAF_TIME_YEAR] = {SPAN("TIME_YEAR"), false},
    [WAF_TX] = {SPAN("TX"), true},
    [WAF_UNIQUE_ID] = {SPAN("UNIQUE_ID"), false},
    [WAF_URLENCODED_ERROR] = {SPAN("URLENCODED_ERROR"), false},
    [WAF_USER] = {SPAN("USER"), true},
    [WAF_USERID] = {SPAN("USERID"), false},
    [WAF_XML] = {SPAN("XML"), true},
};

static const struct {
    struct span name;
    enum waf_variable variable;
} aliases[] = {
    {SPAN("REQUEST_URI_PATH"), WAF_REQUEST_FILENAME},
    {SPAN("SCRIPT_FILENAME"), WAF_REQUEST_FILENAME},
    {SPAN("PATH_TRANSLATED"), WAF_REQUEST_FILENAME},
};

int waf_variable_find(struct span name)
{
    for (size_t i = 0; i < WAF_VARIABLES; i++)
        if (span_equal_nocase(name, variables[i].name))
            return (int)i;
    for (size_t i = 0; i < ARRAY_SIZE(aliases); i++)
        if (span_equal_nocase(name, aliases[i].name))
            return (int)aliases[i].variable;
    return -1;
}

struct span waf_variable_name(enum waf_variable variable)
{
    return variables[variable].name;
}

bool waf_variable_is_collection(enum waf_variable variable)
{
    return variables[variable].collection;
}
