/* Transformations of SecLang, in ModSecurity v2's meaning. Each writes its result to a buffer that
 * is large enough for the worst case, and says how long it is. */
#include "protect/waf/transform.h"

#include <openssl/evp.h>
#include <stdio.h>

#include "base/error.h"
#include "protect/waf/characters.h"

/* ---- URL, HTML, JavaScript and CSS ---- */

static size_t url_decode(struct span in, char *out)
{
    return waf_url_decode(in, out, NULL);
}

/** %uHHHH as well: full width ASCII becomes ASCII, else the low byte counts. */
static size_t url_decode_uni(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '%' && i + 5 < in.len && (in.ptr[i + 1] | 0x20) == 'u' &&
            waf_are_hex(in.ptr + i + 2, 4)) {
            unsigned code = waf_hex(in.ptr + i + 2, 4);
            out[n++] = (char)(code >= 0xff01 && code <= 0xff5e ? (code & 0xff) + 0x20 : code);
            i += 5;
        } else if (c == '%' && i + 2 < in.len && waf_are_hex(in.ptr + i + 1, 2)) {
            out[n++] = (char)waf_hex(in.ptr + i + 1, 2);
            i += 2;
        } else {
            out[n++] = c == '+' ? ' ' : c;
        }
    }
    return n;
}

static size_t url_encode(struct span in, char *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        unsigned char c = (unsigned char)in.ptr[i];
        if (c == ' ') {
            out[n++] = '+';
        } else if (c == '*' || waf_is_alnum((char)c)) {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = digits[c >> 4];
            out[n++] = digits[c & 15];
        }
    }
    return n;
}

/** A reference after '&': "#65", "#x41", "quot". @return bytes used after '&', 0 for none */
static size_t html_reference(struct span rest, char *ret_char)
{
    static const struct {
        struct span name;
        char c;
    } names[] = {{SPAN("quot"), '"'},
                 {SPAN("amp"), '&'},
                 {SPAN("lt"), '<'},
                 {SPAN("gt"), '>'},
                 {SPAN("nbsp"), (char)0xa0}};
    size_t i = 0;

    if (rest.len > 1 && rest.ptr[0] == '#') {
        bool hex = (rest.ptr[1] | 0x20) == 'x';
        unsigned base = hex ? 16 : 10;
        unsigned long code = 0;
        for (i = hex ? 2 : 1; i < rest.len; i++) {
            int digit = waf_digit(rest.ptr[i]);
            if (digit < 0 || (unsigned)digit >= base)
                break;
            code = code > 0xffffff ? code : code * base + (unsigned)digit;
        }
        if (i == (hex ? 2u : 1u))
            return 0;
        *ret_char = (char)code;
    } else {
        while (i < rest.len && waf_is_alnum(rest.ptr[i]))
            i++;
        size_t k = 0;
        while (k < ARRAY_SIZE(names) && !span_equal_nocase(span_of(rest.ptr, i), names[k].name))
            k++;
        if (k == ARRAY_SIZE(names))
            return 0;
        *ret_char = names[k].c;
    }
    return i < rest.len && rest.ptr[i] == ';' ? i + 1 : i;
}

static size_t html_entity_decode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        size_t used = in.ptr[i] == '&' ? html_reference(span_from(in, i + 1), &out[n]) : 0;
        if (!used)
            out[n] = in.ptr[i];
        n++;
        i += used;
    }
    return n;
}

static char escape_letter(char c, const char *from, const char *to)
{
    const char *at = c ? strchr(from, c) : NULL;

    return at ? to[at - from] : c;
}

/** Octal digits, at most three, and no more than a byte holds. @return how many were used */
static size_t read_octal(const char *text, size_t len, char *ret_char)
{
    unsigned value = 0;
    size_t i = 0;

    while (i < 3 && i < len && text[i] >= '0' && text[i] <= '7') {
        unsigned next = value * 8 + (unsigned)(text[i] - '0');
        if (next > 255)
            break;
        value = next;
        i++;
    }
    *ret_char = (char)value;
    return i;
}

static size_t js_decode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        const char *at = in.ptr + i;
        size_t left = in.len - i;
        if (*at != '\\' || left < 2) {
            out[n++] = *at;
        } else if (left > 5 && at[1] == 'u' && waf_are_hex(at + 2, 4)) {
            unsigned code = waf_hex(at + 2, 4);
            out[n++] = (char)(code >= 0xff01 && code <= 0xff5e ? (code & 0xff) + 0x20 : code);
            i += 5;
        } else if (left > 3 && at[1] == 'x' && waf_are_hex(at + 2, 2)) {
            out[n++] = (char)waf_hex(at + 2, 2);
            i += 3;
        } else if (at[1] >= '0' && at[1] <= '7') {
            i += read_octal(at + 1, left - 1, &out[n++]);
        } else {
            out[n++] = escape_letter(at[1], "abfnrtv", "\a\b\f\n\r\t\v");
            i++;
        }
    }
    return n;
}

/** A CSS escape after the backslash: 1 to 6 hexadecimal digits, of which the last two count.
 *  @return bytes used after the backslash */
static size_t css_escape(struct span rest, char *ret_char, bool *ret_any)
{
    size_t digits = 0;

    *ret_any = true;
    while (digits < 6 && digits < rest.len && waf_digit(rest.ptr[digits]) >= 0 &&
           waf_digit(rest.ptr[digits]) < 16)
        digits++;
    if (digits == 0) {
        *ret_any = rest.len && rest.ptr[0] != '\n';
        if (rest.len)
            *ret_char = rest.ptr[0];
        return rest.len ? 1 : 0;
    }
    size_t from = digits > 2 ? digits - 2 : 0;
    *ret_char = (char)waf_hex(rest.ptr + from, digits - from);
    unsigned long high = waf_hex(rest.ptr, digits > 2 ? digits - 2 : 0);
    if (digits >= 4 && (high & 0xffff) == 0xff && waf_hex(rest.ptr + from, 2) >= 1 &&
        waf_hex(rest.ptr + from, 2) <= 0x5e)
        *ret_char = (char)(*ret_char + 0x20); /* full width ASCII */
    if (digits < rest.len && strchr(" \t\n\r\f\v", rest.ptr[digits]) && rest.ptr[digits])
        digits++;
    return digits;
}

static size_t css_decode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        if (in.ptr[i] != '\\') {
            out[n++] = in.ptr[i];
            continue;
        }
        bool any;
        i += css_escape(span_from(in, i + 1), &out[n], &any);
        n += any;
    }
    return n;
}

static size_t escape_seq_decode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        const char *at = in.ptr + i;
        size_t left = in.len - i;
        char c = 0;
        if (*at != '\\' || left < 2) {
            out[n++] = *at;
        } else if ((at[1] | 0x20) == 'x' && left > 3 && waf_are_hex(at + 2, 2)) {
            out[n++] = (char)waf_hex(at + 2, 2);
            i += 3;
        } else if (at[1] >= '0' && at[1] <= '7') {
            i += read_octal(at + 1, left - 1, &out[n++]);
        } else if ((c = escape_letter(at[1], "abfnrtv\\?'\"", "\a\b\f\n\r\t\v\\?'\"")) != at[1] ||
                   strchr("\\?'\"", at[1])) {
            out[n++] = c;
            i++;
        } else {
            out[n++] = '\\';
        }
    }
    return n;
}

/* ---- other encodings ---- */

static int base64_value(char c)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(alphabet, c) : NULL;

    return at ? (int)(at - alphabet) : -1;
}

/** Characters outside the alphabet are passed over, or end it. */
static size_t base64_any(struct span in, char *out, bool skip)
{
    unsigned bits = 0, have = 0;
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++) {
        int value = base64_value(in.ptr[i]);
        if (value < 0 && (in.ptr[i] == '=' || !skip))
            break;
        if (value < 0)
            continue;
        bits = bits << 6 | (unsigned)value;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(bits >> have);
        }
    }
    return n;
}

static size_t base64_decode(struct span in, char *out)
{
    return base64_any(in, out, false);
}

static size_t base64_decode_ext(struct span in, char *out)
{
    return base64_any(in, out, true);
}

static size_t base64_encode(struct span in, char *out)
{
    return (size_t)EVP_EncodeBlock((unsigned char *)out, (const unsigned char *)in.ptr,
                                   (int)in.len);
}

static size_t hex_decode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i + 1 < in.len; i += 2) {
        int high = waf_digit(in.ptr[i]), low = waf_digit(in.ptr[i + 1]);
        out[n++] = (char)((high < 0 ? 0 : high) << 4 | ((low < 0 ? 0 : low) & 15));
    }
    return n;
}

static size_t hex_encode(struct span in, char *out)
{
    static const char digits[] = "0123456789abcdef";

    for (size_t i = 0; i < in.len; i++) {
        out[2 * i] = digits[(unsigned char)in.ptr[i] >> 4];
        out[2 * i + 1] = digits[in.ptr[i] & 15];
    }
    return 2 * in.len;
}

static size_t sql_hex_decode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len;) {
        size_t digits = 0;
        if (in.ptr[i] == '0' && i + 1 < in.len && (in.ptr[i + 1] | 0x20) == 'x')
            while (i + 2 + digits + 1 < in.len && waf_are_hex(in.ptr + i + 2 + digits, 2))
                digits += 2;
        if (!digits) {
            out[n++] = in.ptr[i++];
            continue;
        }
        n += hex_decode(span_of(in.ptr + i + 2, digits), out + n);
        i += 2 + digits;
    }
    return n;
}

/** The code point of a UTF-8 sequence. @return its length, or 0 for what is none */
static size_t utf8_read(const unsigned char *at, size_t left, unsigned *ret_code)
{
    size_t len = at[0] < 0x80   ? 1
                 : at[0] < 0xc2 ? 0
                 : at[0] < 0xe0 ? 2
                 : at[0] < 0xf0 ? 3
                 : at[0] < 0xf5 ? 4
                                : 0;

    if (len == 0 || len > left)
        return 0;
    unsigned code = len == 1 ? at[0] : at[0] & (0x7fu >> len);
    for (size_t i = 1; i < len; i++) {
        if ((at[i] & 0xc0) != 0x80)
            return 0;
        code = code << 6 | (at[i] & 0x3f);
    }
    *ret_code = code;
    return len;
}

static size_t utf8_to_unicode(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len;) {
        unsigned code = 0;
        size_t len = utf8_read((const unsigned char *)in.ptr + i, in.len - i, &code);
        if (len <= 1) {
            out[n++] = in.ptr[i++];
            continue;
        }
        n += (size_t)snprintf(out + n, 10, "%%u%04x", code);
        i += len;
    }
    return n;
}

static size_t digest(const EVP_MD *kind, struct span in, char *out)
{
    unsigned len = 0;

    if (EVP_Digest(in.ptr ? in.ptr : "", in.len, (unsigned char *)out, &len, kind, NULL) != 1)
        return 0;
    return len;
}

static size_t md5(struct span in, char *out)
{
    return digest(EVP_md5(), in, out);
}

static size_t sha1(struct span in, char *out)
{
    return digest(EVP_sha1(), in, out);
}

static size_t length(struct span in, char *out)
{
    return (size_t)snprintf(out, 24, "%zu", in.len);
}

/* ---- letters, space, comments ---- */

static size_t lowercase(struct span in, char *out)
{
    for (size_t i = 0; i < in.len; i++)
        out[i] = ascii_lower(in.ptr[i]);
    return in.len;
}

static size_t uppercase(struct span in, char *out)
{
    for (size_t i = 0; i < in.len; i++)
        out[i] = in.ptr[i] >= 'a' && in.ptr[i] <= 'z' ? (char)(in.ptr[i] - 32) : in.ptr[i];
    return in.len;
}

static size_t remove_nulls(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++)
        if (in.ptr[i])
            out[n++] = in.ptr[i];
    return n;
}

static size_t replace_nulls(struct span in, char *out)
{
    for (size_t i = 0; i < in.len; i++)
        out[i] = in.ptr[i] ? in.ptr[i] : ' ';
    return in.len;
}

static size_t remove_whitespace(struct span in, char *out)
{
    size_t n = 0;

    for (size_t i = 0; i < in.len; i++)
        if (!waf_is_space(in.ptr[i]) && (unsigned char)in.ptr[i] != 0xa0)
            out[n++] = in.ptr[i];
    return n;
}

static size_t compress_whitespace(struct span in, char *out)
{
    size_t n = 0;
    bool space = false;

    for (size_t i = 0; i < in.len; i++) {
        bool now = waf_is_space(in.ptr[i]) || (unsigned char)in.ptr[i] == 0xa0;
        if (!now)
            out[n++] = in.ptr[i];
        else if (!space)
            out[n++] = ' ';
        space = now;
    }
    return n;
}

static size_t trim_left(struct span in, char *out)
{
    size_t i = 0;

    while (i < in.len && waf_is_space(in.ptr[i]))
        i++;
    memcpy(out, in.ptr + i, in.len - i);
    return in.len - i;
}

static size_t trim_right(struct span in, char *out)
{
    size_t n = in.len;

    while (n && waf_is_space(in.ptr[n - 1]))
        n--;
    memcpy(out, in.ptr, n);
    return n;
}

static size_t trim(struct span in, char *out)
{
    size_t n = trim_left(in, out);

    while (n && waf_is_space(out[n - 1]))
        n--;
    return n;
}

static bool starts(struct span in, size_t at, const char *text)
{
    return span_starts(span_from(in, at), span_str(text));
}

static size_t replace_comments(struct span in, char *out)
{
    size_t n = 0;
    bool inside = false;

    for (size_t i = 0; i < in.len; i++) {
        if (!inside && starts(in, i, "/*")) {
            inside = true;
            i++;
        } else if (inside && starts(in, i, "*/")) {
            inside = false;
            out[n++] = ' ';
            i++;
        } else if (!inside) {
            out[n++] = in.ptr[i];
        }
    }
    if (inside)
        out[n++] = ' ';
    return n;
}

static size_t remove_comments(struct span in, char *out)
{
    size_t n = 0;
    const char *end = NULL; /* of the comment that we are in */

    for (size_t i = 0; i < in.len; i++) {
        if (end) {
            if (starts(in, i, end)) {
                i += strlen(end) - 1;
                end = NULL;
            }
        } else if (starts(in, i, "/*")) {
            end = "*/";
            i++;
        } else if (starts(in, i, "<!--")) {
            end = "-->";
            i += 3;
        } else if (starts(in, i, "--") || in.ptr[i] == '#') {
            break;
        } else {
            out[n++] = in.ptr[i];
        }
    }
    return n;
}

static size_t remove_comments_char(struct span in, char *out)
{
    static const char *const marks[] = {"/*", "*/", "<!--", "-->", "--", "#"};
    size_t n = 0;

    for (size_t i = 0; i < in.len;) {
        size_t k = 0;
        while (k < ARRAY_SIZE(marks) && !starts(in, i, marks[k]))
            k++;
        if (k < ARRAY_SIZE(marks))
            i += strlen(marks[k]);
        else
            out[n++] = in.ptr[i++];
    }
    return n;
}

/** Of command lines: quotes, carets and backslashes go, commas and semicolons become space, runs of
 *  space become one, which goes before slashes and parentheses; letters become small. */
static size_t cmd_line(struct span in, char *out)
{
    size_t n = 0;
    bool space = false;

    for (size_t i = 0; i < in.len; i++) {
        char c = in.ptr[i];
        if (c == '"' || c == '\'' || c == '\\' || c == '^')
            continue;
        if (strchr(" ,;\t\r\n", c) && c) {
            if (!space)
                out[n++] = ' ';
            space = true;
            continue;
        }
        if ((c == '/' || c == '(') && space)
            n--;
        out[n++] = ascii_lower(c);
        space = false;
    }
    return n;
}

/* ---- paths ---- */

/** Removes "//", "/./" and "/../". */
static size_t normalise(struct span in, char *out, bool windows)
{
    size_t n = 0;
    bool absolute = in.len && (in.ptr[0] == '/' || (windows && in.ptr[0] == '\\'));
    bool slash = false; /* the last segment ended with one */
    struct span rest = in;

    if (absolute)
        out[n++] = '/';
    size_t root = n;
    while (rest.len) {
        size_t len = 0;
        while (len < rest.len && rest.ptr[len] != '/' && !(windows && rest.ptr[len] == '\\'))
            len++;
        struct span part = span_of(rest.ptr, len);
        slash = len < rest.len;
        rest = span_from(rest, len + 1);
        if (part.len == 0 || span_equal(part, SPAN(".")))
            continue;
        if (span_equal(part, SPAN(".."))) {
            bool kept = n > root && !(n - root >= 2 && memcmp(out + n - 2, "..", 2) == 0 &&
                                      (n - root == 2 || out[n - 3] == '/'));
            if (kept) {
                while (n > root && out[n - 1] != '/')
                    n--;
                if (n > root)
                    n--;
                continue;
            }
            if (absolute)
                continue;
        }
        if (n > root)
            out[n++] = '/';
        memcpy(out + n, part.ptr, part.len);
        n += part.len;
    }
    if (slash && n > root)
        out[n++] = '/';
    return n;
}

static size_t normalise_path(struct span in, char *out)
{
    return normalise(in, out, false);
}

static size_t normalise_path_windows(struct span in, char *out)
{
    return normalise(in, out, true);
}

/* ---- the table ---- */

static const struct transformation {
    const char *name;
    size_t (*run)(struct span in, char *out);
    unsigned factor; /* bytes of output for one of input, at most */
    unsigned more;   /* and these */
} transformations[] = {
    {"none", NULL, 0, 0},
    {"base64Decode", base64_decode, 1, 0},
    {"base64DecodeExt", base64_decode_ext, 1, 0},
    {"base64Encode", base64_encode, 2, 8},
    {"cmdLine", cmd_line, 1, 0},
    {"compressWhitespace", compress_whitespace, 1, 0},
    {"cssDecode", css_decode, 1, 1},
    {"escapeSeqDecode", escape_seq_decode, 1, 0},
    {"hexDecode", hex_decode, 1, 0},
    {"hexEncode", hex_encode, 2, 0},
    {"htmlEntityDecode", html_entity_decode, 1, 0},
    {"jsDecode", js_decode, 1, 0},
    {"length", length, 0, 24},
    {"lowercase", lowercase, 1, 0},
    {"md5", md5, 0, EVP_MAX_MD_SIZE},
    {"normalisePath", normalise_path, 1, 1},
    {"normalisePathWin", normalise_path_windows, 1, 1},
    {"normalizePath", normalise_path, 1, 1},
    {"normalizePathWin", normalise_path_windows, 1, 1},
    {"removeComments", remove_comments, 1, 0},
    {"removeCommentsChar", remove_comments_char, 1, 0},
    {"removeNulls", remove_nulls, 1, 0},
    {"removeWhitespace", remove_whitespace, 1, 0},
    {"replaceComments", replace_comments, 1, 1},
    {"replaceNulls", replace_nulls, 1, 0},
    {"sha1", sha1, 0, EVP_MAX_MD_SIZE},
    {"sqlHexDecode", sql_hex_decode, 1, 0},
    {"trim", trim, 1, 0},
    {"trimLeft", trim_left, 1, 0},
    {"trimRight", trim_right, 1, 0},
    {"uppercase", uppercase, 1, 0},
    {"urlDecode", url_decode, 1, 0},
    {"urlDecodeUni", url_decode_uni, 1, 0},
    {"urlEncode", url_encode, 3, 0},
    {"utf8toUnicode", utf8_to_unicode, 4, 10},
};

int waf_transformation_find(struct span name)
{
    for (size_t i = 0; i < ARRAY_SIZE(transformations); i++)
        if (span_equal_nocase(name, span_str(transformations[i].name)))
            return (int)i;
    return -1;
}

int waf_transformation_none(void)
{
    return 0;
}

const char *waf_transformation_name(int number)
{
    return transformations[number].name;
}

int waf_transform(int number, struct arena *arena, struct span value, struct span *ret_value)
{
    const struct transformation *t = &transformations[number];

    *ret_value = value;
    if (!t->run)
        return 0;
    char *out = arena_alloc(arena, value.len * t->factor + t->more + 1);
    if (!out)
        return ERR_LIMIT;
    struct span result = span_of(out, t->run(value, out));
    if (span_equal(result, value))
        return 0;
    *ret_value = result;
    return 1;
}
