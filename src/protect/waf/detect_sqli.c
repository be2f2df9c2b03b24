/* SQL injection: the value is read as a piece of SQL in three ways (as it stands, and as the rest
 * of a string that a single or a double quote ends), becomes a line of token kinds, and the line is
 * looked through for shapes that no ordinary text has. */
#include <stdio.h>

#include "base/macros.h"
#include "protect/waf/characters.h"
#include "protect/waf/detect.h"

enum { TOKENS_MAX = 64 };

/** Kinds of tokens, one letter each. */
enum kind {
    NUMBER = '1',
    STRING = 's',
    NAME = 'n',
    VARIABLE = 'v', /* @x, and words that are values: null, true */
    FUNCTION = 'f', /* a name of a function of SQL with "(" behind it */
    DANGER = 'F',   /* the same of one that waits, reads files or makes errors */
    UNION = 'U',
    SELECT = 'E',   /* words that begin a statement or a query */
    WORD = 'k',     /* other words of SQL */
    WAIT = 'W',     /* waitfor */
    LOGIC = '&',    /* and, or, xor, &&, || */
    OPERATOR = 'o', /* a comparison */
    ARITHMETIC = 'a',
    COMMENT = 'c',
    OPEN = '(',
    CLOSE = ')',
    COMMA = ',',
    SEMICOLON = ';',
};

static const struct {
    struct span word;
    char kind;
} words[] = {
    {SPAN("union"), UNION},
    {SPAN("except"), UNION},
    {SPAN("intersect"), UNION},
    {SPAN("select"), SELECT},
    {SPAN("insert"), SELECT},
    {SPAN("update"), SELECT},
    {SPAN("delete"), SELECT},
    {SPAN("drop"), SELECT},
    {SPAN("alter"), SELECT},
    {SPAN("create"), SELECT},
    {SPAN("truncate"), SELECT},
    {SPAN("exec"), SELECT},
    {SPAN("execute"), SELECT},
    {SPAN("declare"), SELECT},
    {SPAN("shutdown"), SELECT},
    {SPAN("waitfor"), WAIT},
    {SPAN("and"), LOGIC},
    {SPAN("or"), LOGIC},
    {SPAN("xor"), LOGIC},
    {SPAN("not"), WORD},
    {SPAN("like"), OPERATOR},
    {SPAN("rlike"), OPERATOR},
    {SPAN("regexp"), OPERATOR},
    {SPAN("between"), OPERATOR},
    {SPAN("div"), ARITHMETIC},
    {SPAN("mod"), ARITHMETIC},
    {SPAN("is"), WORD},
    {SPAN("in"), OPERATOR},
    {SPAN("sounds"), OPERATOR},
    {SPAN("null"), VARIABLE},
    {SPAN("true"), VARIABLE},
    {SPAN("false"), VARIABLE},
    {SPAN("from"), WORD},
    {SPAN("where"), WORD},
    {SPAN("having"), WORD},
    {SPAN("group"), WORD},
    {SPAN("order"), WORD},
    {SPAN("by"), WORD},
    {SPAN("limit"), WORD},
    {SPAN("into"), WORD},
    {SPAN("outfile"), WORD},
    {SPAN("dumpfile"), WORD},
    {SPAN("procedure"), WORD},
    {SPAN("case"), WORD},
    {SPAN("when"), WORD},
    {SPAN("then"), WORD},
    {SPAN("table"), WORD},
    {SPAN("all"), WORD},
    {SPAN("distinct"), WORD},
    {SPAN("sleep"), DANGER},
    {SPAN("benchmark"), DANGER},
    {SPAN("pg_sleep"), DANGER},
    {SPAN("load_file"), DANGER},
    {SPAN("extractvalue"), DANGER},
    {SPAN("updatexml"), DANGER},
    {SPAN("xp_cmdshell"), DANGER},
    {SPAN("sp_password"), DANGER},
    {SPAN("utl_http"), DANGER},
    {SPAN("dbms_pipe"), DANGER},
    {SPAN("randomblob"), DANGER},
    {SPAN("xmltype"), DANGER},
    {SPAN("ascii"), FUNCTION},
    {SPAN("char"), FUNCTION},
    {SPAN("chr"), FUNCTION},
    {SPAN("concat"), FUNCTION},
    {SPAN("concat_ws"), FUNCTION},
    {SPAN("group_concat"), FUNCTION},
    {SPAN("count"), FUNCTION},
    {SPAN("database"), FUNCTION},
    {SPAN("current_user"), FUNCTION},
    {SPAN("hex"), FUNCTION},
    {SPAN("unhex"), FUNCTION},
    {SPAN("if"), FUNCTION},
    {SPAN("ifnull"), FUNCTION},
    {SPAN("instr"), FUNCTION},
    {SPAN("length"), FUNCTION},
    {SPAN("lower"), FUNCTION},
    {SPAN("upper"), FUNCTION},
    {SPAN("mid"), FUNCTION},
    {SPAN("md5"), FUNCTION},
    {SPAN("ord"), FUNCTION},
    {SPAN("rand"), FUNCTION},
    {SPAN("floor"), FUNCTION},
    {SPAN("substr"), FUNCTION},
    {SPAN("substring"), FUNCTION},
    {SPAN("user"), FUNCTION},
    {SPAN("version"), FUNCTION},
    {SPAN("cast"), FUNCTION},
    {SPAN("convert"), FUNCTION},
    {SPAN("coalesce"), FUNCTION},
    {SPAN("exp"), FUNCTION},
    {SPAN("least"), FUNCTION},
    {SPAN("greatest"), FUNCTION},
    {SPAN("elt"), FUNCTION},
    {SPAN("make_set"), FUNCTION},
    {SPAN("row"), FUNCTION},
    {SPAN("schema"), FUNCTION},
};

struct reading {
    struct span rest;
    char kinds[TOKENS_MAX + 1];
    unsigned count;
};

static void put(struct reading *reading, char kind)
{
    if (reading->count < TOKENS_MAX)
        reading->kinds[reading->count++] = kind;
}

static bool is_word_char(char c)
{
    return waf_is_alnum(c) || c == '_' || c == '$' || (unsigned char)c >= 0x80;
}

/** A comment at the front: what stands in one of MySQL's conditional ones is SQL.
 *  @return its length, 0 when there is none */
static size_t comment_length(struct span rest, bool *ret_opaque)
{
    *ret_opaque = true;
    if (rest.ptr[0] == '#')
        return rest.len > 1 && waf_is_alnum(rest.ptr[1]) ? 0 : rest.len;
    if (span_starts(rest, SPAN("--")) &&
        (rest.len == 2 || waf_is_space(rest.ptr[2]) || !waf_is_alnum(rest.ptr[2])))
        return rest.len;
    if (!span_starts(rest, SPAN("/*")))
        return 0;
    if (span_starts(rest, SPAN("/*!"))) {
        size_t i = 3;
        while (i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9')
            i++;
        *ret_opaque = false;
        return i;
    }
    ptrdiff_t end = span_find_span(span_from(rest, 2), SPAN("*/"));
    *ret_opaque = end < 0; /* one that ends is as good as a blank */
    return end < 0 ? rest.len : (size_t)end + 4;
}

/** The end of a string that has begun. Doubled quotes and escaped ones stay in it. */
static size_t string_length(struct span rest, char quote)
{
    size_t i = 0;

    while (i < rest.len) {
        if (rest.ptr[i] == '\\') {
            i += 2;
        } else if (rest.ptr[i] == quote) {
            if (i + 1 >= rest.len || rest.ptr[i + 1] != quote)
                return i + 1;
            i += 2;
        } else {
            i++;
        }
    }
    return rest.len;
}

static size_t number_length(struct span rest)
{
    size_t i = 0;

    if (rest.len > 2 && rest.ptr[0] == '0' && (rest.ptr[1] | 0x20) == 'x') {
        for (i = 2; i < rest.len && waf_are_hex(rest.ptr + i, 1); i++)
            ;
        return i;
    }
    while (i < rest.len && ((rest.ptr[i] >= '0' && rest.ptr[i] <= '9') || rest.ptr[i] == '.'))
        i++;
    if (i + 1 < rest.len && (rest.ptr[i] | 0x20) == 'e' &&
        ((rest.ptr[i + 1] >= '0' && rest.ptr[i + 1] <= '9') || rest.ptr[i + 1] == '+' ||
         rest.ptr[i + 1] == '-'))
        for (i += 2; i < rest.len && rest.ptr[i] >= '0' && rest.ptr[i] <= '9'; i++)
            ;
    return i;
}

static char kind_of_word(struct span word, bool called)
{
    for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
        if (!span_equal_nocase(word, words[i].word))
            continue;
        bool function = words[i].kind == FUNCTION || words[i].kind == DANGER;
        return function && !called ? NAME : words[i].kind;
    }
    return NAME;
}

static void read_word(struct reading *reading)
{
    struct span rest = reading->rest;
    size_t len = 0, gap;

    while (len < rest.len && (is_word_char(rest.ptr[len]) || rest.ptr[len] == '.'))
        len++;
    for (gap = len; gap < rest.len && waf_is_space(rest.ptr[gap]); gap++)
        ;
    bool called = gap < rest.len && rest.ptr[gap] == '(';
    put(reading, kind_of_word(span_of(rest.ptr, len), called));
    reading->rest = span_from(rest, len);
}

/** Cuts one token off. */
static void read_token(struct reading *reading)
{
    struct span rest = reading->rest;
    char c = rest.ptr[0];
    bool opaque;
    size_t len = comment_length(rest, &opaque);

    if (len) {
        if (opaque)
            put(reading, COMMENT);
    } else if (c == '\'' || c == '"') {
        len = 1 + string_length(span_from(rest, 1), c);
        put(reading, STRING);
    } else if (c == '`') {
        len = 1 + string_length(span_from(rest, 1), c);
        put(reading, NAME);
    } else if ((c >= '0' && c <= '9') ||
               (c == '.' && rest.len > 1 && rest.ptr[1] >= '0' && rest.ptr[1] <= '9')) {
        len = number_length(rest);
        put(reading, len < rest.len && is_word_char(rest.ptr[len]) ? NAME : NUMBER);
        while (len < rest.len && is_word_char(rest.ptr[len]))
            len++;
    } else if (is_word_char(c)) {
        read_word(reading);
        return;
    } else if (c == '@') {
        for (len = 1; len < rest.len && (is_word_char(rest.ptr[len]) || rest.ptr[len] == '@');
             len++)
            ;
        put(reading, VARIABLE);
    } else if (span_starts(rest, SPAN("&&")) || span_starts(rest, SPAN("||"))) {
        len = 2;
        put(reading, LOGIC);
    } else if (c && strchr("(),;", c)) {
        len = 1;
        put(reading, c);
    } else if (c && strchr("=<>!", c)) {
        for (len = 1; len < rest.len && rest.ptr[len] && strchr("=<>!", rest.ptr[len]); len++)
            ;
        put(reading, OPERATOR);
    } else if (c && strchr("+-*/%^~|&:", c)) {
        len = 1;
        put(reading, ARITHMETIC);
    } else {
        len = 1; /* white space, brackets, dots */
    }
    reading->rest = span_from(rest, len);
}

/* ---- shapes ---- */

static bool is_value(char kind)
{
    return kind && strchr("1svnfF)", kind);
}

static bool begins_value(char kind)
{
    return kind && strchr("1svnfF(", kind);
}

/** The end of the brackets that begin here. */
static const char *skip_brackets(const char *at)
{
    unsigned depth = 0;

    for (; *at; at++) {
        depth += *at == OPEN;
        depth -= *at == CLOSE && depth;
        if (*at == CLOSE && depth == 0)
            return at + 1;
    }
    return at;
}

/** A condition that is joined on: "1 or 1=1", "' or 'a'='a", "1 or true", "x' and sleep(1)". */
static bool joins_condition(const char *k)
{
    while (*k && strchr("(ka", *k)) /* not, brackets, signs */
        k++;
    if (*k == DANGER || *k == VARIABLE)
        return true;
    if (!begins_value(*k))
        return false;
    const char *next = *k == FUNCTION ? skip_brackets(k + 1) : k + 1;
    while (*next == ARITHMETIC && begins_value(next[1])) /* 1+1=2 */
        next += 2;
    while (*next == CLOSE)
        next++;
    if (*next == OPERATOR)
        return next[1] && strchr("1svnfF(ao", next[1]);
    return *next == COMMENT && *k != NAME;
}

/** A string that ends, maybe brackets, and a comment that hides the rest of the statement. */
static bool hides_rest(const char *k)
{
    if (*k++ != STRING)
        return false;
    while (*k == CLOSE)
        k++;
    return *k == COMMENT;
}

/** An expression between two ends of strings: what a value of "' || x || '" is. */
static bool comes_back(const char *k)
{
    size_t len = strlen(k);

    return len >= 5 && k[0] == STRING && k[len - 1] == STRING && strchr("a&", k[1]) &&
           strchr("a&", k[len - 2]);
}

/** A second statement: "; drop table x". */
static bool is_statement(const char *k)
{
    if (*k++ != SELECT)
        return false;
    if (*k == NAME)
        return k[1] == '\0' || strchr(";co,k(1sv", k[1]);
    return *k == '\0' || strchr("kvfF(1sacoE", *k);
}

/** Looks through a line of kinds. @param quoted  the value began inside a string */
static bool is_shape(const char *k, bool quoted)
{
    if (quoted && (hides_rest(k) || comes_back(k)))
        return true;
    for (const char *at = k; *at; at++) {
        const char *after = at + 1;
        if (*at == UNION) {
            while (*after && strchr("(k&", *after))
                after++;
            if (*after == SELECT && (at > k || after[1]))
                return true;
        }
        if (*at == LOGIC && at > k && is_value(at[-1]) && joins_condition(after) &&
            (quoted || at[-1] != NAME || strpbrk(after, "os")))
            return true;
        if (*at == SEMICOLON && is_statement(after))
            return true;
        if (*at == WAIT && at[1] == NAME && at[2] == STRING) /* waitfor delay '0:0:5' */
            return true;
        if (*at == DANGER && *after == OPEN && (at > k || quoted || strchr(at, CLOSE)))
            return true;
        if (*at == SELECT && (at[1] == FUNCTION || at[1] == DANGER || at[1] == 'v' ||
                              (at[1] == ARITHMETIC && at[2] == WORD)))
            return true;
    }
    return false;
}

static bool read_as(struct span value, char quote, struct waf_captures *captures)
{
    struct reading reading = {.rest = value};

    if (quote) {
        size_t len = string_length(value, quote);
        if (len == value.len && (len == 0 || value.ptr[len - 1] != quote))
            return false; /* it never leaves the string */
        put(&reading, STRING);
        reading.rest = span_from(value, len);
    }
    while (reading.rest.len && reading.count < TOKENS_MAX)
        read_token(&reading);
    reading.kinds[reading.count] = '\0';
    if (!is_shape(reading.kinds, quote != 0))
        return false;
    captures->items[0] = value;
    captures->count = 1;
    return true;
}

int waf_detect_sqli(struct span value, struct waf_captures *captures)
{
    if (read_as(value, 0, captures))
        return 1;
    if (span_find(value, '\'') >= 0 && read_as(value, '\'', captures))
        return 1;
    return span_find(value, '"') >= 0 && read_as(value, '"', captures);
}
