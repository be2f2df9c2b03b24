/* Rules of SecLang as they are kept after loading: what each looks at, how, and what follows. */
#pragma once

#include "base/list.h"
#include "base/span.h"

struct map;
struct waf_pattern;  /* pattern.h */
struct waf_phrases;  /* phrases.h */
struct waf_networks; /* networks.h */

enum waf_phase {
    WAF_REQUEST_HEADERS = 1,
    WAF_REQUEST_BODY,
    WAF_RESPONSE_HEADERS,
    WAF_RESPONSE_BODY,
    WAF_LOGGING,
    WAF_PHASES
};

/** Variables; their order is that of the table in variables.c. */
enum waf_variable {
    WAF_ARGS,
    WAF_ARGS_COMBINED_SIZE,
    WAF_ARGS_GET,
    WAF_ARGS_GET_NAMES,
    WAF_ARGS_NAMES,
    WAF_ARGS_POST,
    WAF_ARGS_POST_NAMES,
    WAF_AUTH_TYPE,
    WAF_DURATION,
    WAF_ENV,
    WAF_FILES,
    WAF_FILES_COMBINED_SIZE,
    WAF_FILES_NAMES,
    WAF_FILES_SIZES,
    WAF_FULL_REQUEST,
    WAF_FULL_REQUEST_LENGTH,
    WAF_GEO,
    WAF_GLOBAL,
    WAF_HIGHEST_SEVERITY,
    WAF_INBOUND_DATA_ERROR,
    WAF_IP,
    WAF_MATCHED_VAR,
    WAF_MATCHED_VARS,
    WAF_MATCHED_VARS_NAMES,
    WAF_MATCHED_VAR_NAME,
    WAF_MULTIPART_BOUNDARY_QUOTED,
    WAF_MULTIPART_BOUNDARY_WHITESPACE,
    WAF_MULTIPART_CRLF_LF_LINES,
    WAF_MULTIPART_DATA_AFTER,
    WAF_MULTIPART_DATA_BEFORE,
    WAF_MULTIPART_FILENAME,
    WAF_MULTIPART_FILE_LIMIT_EXCEEDED,
    WAF_MULTIPART_HEADER_FOLDING,
    WAF_MULTIPART_INVALID_HEADER_FOLDING,
    WAF_MULTIPART_INVALID_PART,
    WAF_MULTIPART_INVALID_QUOTING,
    WAF_MULTIPART_LF_LINE,
    WAF_MULTIPART_MISSING_SEMICOLON,
    WAF_MULTIPART_NAME,
    WAF_MULTIPART_PART_HEADERS,
    WAF_MULTIPART_STRICT_ERROR,
    WAF_MULTIPART_UNMATCHED_BOUNDARY,
    WAF_OUTBOUND_DATA_ERROR,
    WAF_PATH_INFO,
    WAF_QUERY_STRING,
    WAF_REMOTE_ADDR,
    WAF_REMOTE_HOST,
    WAF_REMOTE_PORT,
    WAF_REMOTE_USER,
    WAF_REQBODY_ERROR,
    WAF_REQBODY_ERROR_MSG,
    WAF_REQBODY_PROCESSOR,
    WAF_REQBODY_PROCESSOR_ERROR,
    WAF_REQBODY_PROCESSOR_ERROR_MSG,
    WAF_REQUEST_BASENAME,
    WAF_REQUEST_BODY_VARIABLE,
    WAF_REQUEST_BODY_LENGTH,
    WAF_REQUEST_COOKIES,
    WAF_REQUEST_COOKIES_NAMES,
    WAF_REQUEST_FILENAME,
    WAF_REQUEST_HEADERS_VARIABLE,
    WAF_REQUEST_HEADERS_NAMES,
    WAF_REQUEST_LINE,
    WAF_REQUEST_METHOD,
    WAF_REQUEST_PROTOCOL,
    WAF_REQUEST_URI,
    WAF_REQUEST_URI_RAW,
    WAF_RESOURCE,
    WAF_RESPONSE_BODY_VARIABLE,
    WAF_RESPONSE_CONTENT_LENGTH,
    WAF_RESPONSE_CONTENT_TYPE,
    WAF_RESPONSE_HEADERS_VARIABLE,
    WAF_RESPONSE_HEADERS_NAMES,
    WAF_RESPONSE_PROTOCOL,
    WAF_RESPONSE_STATUS,
    WAF_RULE,
    WAF_SERVER_ADDR,
    WAF_SERVER_NAME,
    WAF_SERVER_PORT,
    WAF_SESSION,
    WAF_SESSIONID,
    WAF_STATUS_LINE,
    WAF_TIME,
    WAF_TIME_DAY,
    WAF_TIME_EPOCH,
    WAF_TIME_HOUR,
    WAF_TIME_MIN,
    WAF_TIME_MON,
    WAF_TIME_SEC,
    WAF_TIME_WDAY,
    WAF_TIME_YEAR,
    WAF_TX,
    WAF_UNIQUE_ID,
    WAF_URLENCODED_ERROR,
    WAF_USER,
    WAF_USERID,
    WAF_XML,
    WAF_VARIABLES,
};

/** One target of a rule: "ARGS", "!ARGS:a", "&ARGS:/^a/". */
struct waf_target {
    enum waf_variable variable;
    bool count;                  /**< &: how many there are */
    bool exclude;                /**< !: not these */
    char *key;                   /**< NULL: all of a collection */
    struct waf_pattern *pattern; /**< of a key between slashes; NULL: none */
};

/** Text with %{VARIABLE.key} in it. */
struct waf_macro {
    char *text;
    bool plain; /**< it has none */
};

enum waf_operator {
    WAF_OP_RX,
    WAF_OP_PM,
    WAF_OP_PM_FROM_FILE,
    WAF_OP_CONTAINS,
    WAF_OP_CONTAINS_WORD,
    WAF_OP_BEGINS_WITH,
    WAF_OP_ENDS_WITH,
    WAF_OP_STREQ,
    WAF_OP_STRMATCH,
    WAF_OP_WITHIN,
    WAF_OP_EQ,
    WAF_OP_GE,
    WAF_OP_GT,
    WAF_OP_LE,
    WAF_OP_LT,
    WAF_OP_IP_MATCH,
    WAF_OP_IP_MATCH_FROM_FILE,
    WAF_OP_VALIDATE_BYTE_RANGE,
    WAF_OP_VALIDATE_URL_ENCODING,
    WAF_OP_VALIDATE_UTF8,
    WAF_OP_DETECT_SQLI,
    WAF_OP_DETECT_XSS,
    WAF_OP_GEO_LOOKUP,
    WAF_OP_UNCONDITIONAL,
    WAF_OP_NO_MATCH,
    WAF_OPERATORS,
};

enum waf_disruption {
    WAF_PASS,
    WAF_BLOCK, /**< what SecDefaultAction says for the phase */
    WAF_DENY,
    WAF_DROP,
    WAF_ALLOW,         /**< to phase 5 */
    WAF_ALLOW_PHASE,   /**< the rest of this phase */
    WAF_ALLOW_REQUEST, /**< to phase 3 */
    WAF_REDIRECT,
};

/** setvar, expirevar: COLLECTION.NAME, and what happens to it. */
struct waf_setvar {
    enum waf_variable collection;
    struct waf_macro name;
    enum { WAF_ASSIGN, WAF_ADD, WAF_SUBTRACT, WAF_REMOVE, WAF_EXPIRE } how;
    struct waf_macro value; /**< of WAF_EXPIRE: seconds */
};

enum waf_ctl_kind {
    WAF_CTL_RULE_REMOVE_BY_ID,
    WAF_CTL_RULE_REMOVE_BY_TAG,
    WAF_CTL_RULE_REMOVE_BY_MSG,
    WAF_CTL_TARGET_BY_ID,
    WAF_CTL_TARGET_BY_TAG,
    WAF_CTL_TARGET_BY_MSG,
    WAF_CTL_RULE_ENGINE,
    WAF_CTL_REQUEST_BODY_PROCESSOR,
    WAF_CTL_REQUEST_BODY_ACCESS,
    WAF_CTL_FORCE_REQUEST_BODY,
    WAF_CTL_REQUEST_BODY_LIMIT,
    WAF_CTL_RESPONSE_BODY_ACCESS,
    WAF_CTL_AUDIT, /**< no effect here */
};

struct waf_ctl {
    enum waf_ctl_kind kind;
    char *value;                 /**< ids ("1-5"), a tag, "off"; before ";" */
    struct waf_pattern *pattern; /**< of a tag or message */
    struct waf_target target;    /**< of WAF_CTL_TARGET_* */
};

/** initcol: COLLECTION = key. */
struct waf_initcol {
    enum waf_variable collection;
    struct waf_macro key;
};

/** A transformation, as its place in the table of transform.c. */
typedef unsigned char waf_transformation_id;

struct waf_rule {
    unsigned id;
    unsigned line;
    const char *file;
    enum waf_phase phase;
    char *marker;     /**< SecMarker: its name, and nothing else counts; NULL: a rule */
    bool action_only; /**< SecAction */
    struct waf_target *targets;
    size_t target_count;
    enum waf_operator op;
    bool negated;
    struct waf_macro parameter;
    union {
        struct waf_pattern *pattern;   /**< WAF_OP_RX without macros, WAF_OP_STRMATCH */
        struct waf_phrases *phrases;   /**< WAF_OP_PM* */
        struct waf_networks *networks; /**< WAF_OP_IP_MATCH* */
        unsigned char *bytes;          /**< WAF_OP_VALIDATE_BYTE_RANGE: 32 bytes of bits */
    } compiled;
    waf_transformation_id *transformations;
    size_t transformation_count;
    struct waf_rule *chained; /**< the next link of its chain, or NULL */
    enum waf_disruption disruption;
    int status; /**< of WAF_DENY; 0: the default */
    char *redirect;
    bool capture;
    bool multi_match;
    bool log;
    bool audit;
    int severity; /**< 0..7, or -1 */
    struct waf_macro message;
    struct waf_macro log_data;
    char **tags;
    size_t tag_count;
    char *version;
    char *skip_after; /**< NULL: none */
    unsigned skip;
    struct waf_setvar *setvars;
    size_t setvar_count;
    struct waf_ctl *ctls;
    size_t ctl_count;
    struct waf_initcol *initcols;
    size_t initcol_count;
};

/** The action of a phase where a rule says "block", and where it says nothing. */
struct waf_default {
    enum waf_disruption disruption;
    int status;
    bool log;
    bool audit;
    waf_transformation_id *transformations;
    size_t transformation_count;
};

enum waf_engine { WAF_ENGINE_OFF, WAF_ENGINE_DETECTION_ONLY, WAF_ENGINE_ON };

/** A loaded set of rules. */
struct waf_rules {
    struct waf_rule **items; /**< heads of chains and markers, in file order */
    size_t count;
    size_t room;
    struct waf_default defaults[WAF_PHASES];
    enum waf_engine engine; /**< SecRuleEngine */
    bool request_body_access;
    bool response_body_access;
    char **response_types; /**< SecResponseBodyMimeType */
    size_t response_type_count;
    int argument_separator;
    unsigned arguments_max;
    int collection_timeout; /**< seconds */
    char *signature;        /**< SecComponentSignature; NULL: none */
    char **files;           /**< that were read */
    size_t file_count;
};

void waf_rules_destroy(struct waf_rules *rules);
/** Is an id in a range as rules write it, "942100" or "942100-942200"? */
bool waf_id_within(struct span range, unsigned id);
