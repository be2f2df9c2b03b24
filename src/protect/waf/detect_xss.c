/* Cross-site scripting: elements that load or run something, attributes that hold scripts, and URLs
 * that are scripts. The value is read as a browser would read it: as text of a page, and as the
 * rest of an attribute's value that some quote ends. */
#include "protect/waf/characters.h"
#include "protect/waf/detect.h"

static const struct span elements[] = {
    SPAN("applet"),   SPAN("base"),     SPAN("comment"),  SPAN("embed"),    SPAN("frame"),
    SPAN("frameset"), SPAN("handler"),  SPAN("iframe"),   SPAN("import"),   SPAN("isindex"),
    SPAN("link"),     SPAN("listener"), SPAN("meta"),     SPAN("noscript"), SPAN("object"),
    SPAN("script"),   SPAN("style"),    SPAN("vmlframe"), SPAN("xml"),      SPAN("xss"),
};

/** Attributes whose values are URLs. */
static const struct span url_attributes[] = {
    SPAN("action"), SPAN("by"),         SPAN("background"), SPAN("dynsrc"), SPAN("formaction"),
    SPAN("from"),   SPAN("href"),       SPAN("lowsrc"),     SPAN("src"),    SPAN("to"),
    SPAN("values"), SPAN("xlink:href"), SPAN("poster"),     SPAN("data"),
};

static bool is_one_of(struct span name, const struct span *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (span_equal_nocase(name, list[i]))
            return true;
    return false;
}

/** Begins the URL with a scheme that runs something? Control characters and references of HTML do
 *  not hide it from browsers. */
static bool is_script_url(struct span url)
{
    static const char *const schemes[] = {"javascript:",    "vbscript:",       "data:text",
                                          "view-source:",   "livescript:",     "mocha:",
                                          "data:image/svg", "data:application"};
    char plain[24];
    size_t n = 0;

    for (size_t i = 0; i < url.len && n < sizeof plain - 1; i++) {
        char c = url.ptr[i];
        if ((unsigned char)c <= ' ' || (unsigned char)c >= 0x7f)
            continue;
        if (c == '&' && i + 1 < url.len && url.ptr[i + 1] == '#') {
            bool hex = i + 2 < url.len && (url.ptr[i + 2] | 0x20) == 'x';
            unsigned code = 0;
            size_t k = i + 2 + hex;
            for (; k < url.len && waf_digit(url.ptr[k]) >= 0 &&
                   waf_digit(url.ptr[k]) < (hex ? 16 : 10);
                 k++)
                code = code * (hex ? 16 : 10) + (unsigned)waf_digit(url.ptr[k]);
            if (k < url.len && url.ptr[k] == ';')
                k++;
            i = k - 1;
            c = (char)code;
            if (code <= ' ')
                continue;
        }
        plain[n++] = ascii_lower(c);
    }
    for (size_t i = 0; i < sizeof schemes / sizeof *schemes; i++)
        if (span_starts(span_of(plain, n), span_str(schemes[i])))
            return true;
    return false;
}

static bool is_event(struct span name)
{
    if (name.len < 5 || !span_equal_nocase(span_of(name.ptr, 2), SPAN("on")))
        return false;
    for (size_t i = 2; i < name.len; i++)
        if (!waf_is_alnum(name.ptr[i]) && name.ptr[i] != '-')
            return false;
    return true;
}

static bool is_end_of_name(char c)
{
    return waf_is_space(c) || c == '/' || c == '>' || c == '=' || c == '\0';
}

/** Reads attributes up to the end of the tag. @return whether one of them can run something */
static bool bad_attributes(struct span rest)
{
    while (rest.len && rest.ptr[0] != '>') {
        size_t end = 0;
        if (is_end_of_name(rest.ptr[0]) || rest.ptr[0] == '"' || rest.ptr[0] == '\'') {
            rest = span_from(rest, 1);
            continue;
        }
        while (end < rest.len && !is_end_of_name(rest.ptr[end]))
            end++;
        struct span name = span_of(rest.ptr, end), value = SPAN("");
        rest = span_from(rest, end);
        size_t i = 0;
        while (i < rest.len && (waf_is_space(rest.ptr[i]) || rest.ptr[i] == '\0'))
            i++;
        bool has_value = i < rest.len && rest.ptr[i] == '=';
        if (has_value) {
            rest = span_from(rest, i + 1);
            while (rest.len && (unsigned char)rest.ptr[0] <= ' ')
                rest = span_from(rest, 1);
            char quote = rest.len ? rest.ptr[0] : 0;
            bool quoted = quote == '"' || quote == '\'' || quote == '`';
            rest = span_from(rest, quoted);
            for (end = 0;
                 end < rest.len && (quoted ? rest.ptr[end] != quote
                                           : !waf_is_space(rest.ptr[end]) && rest.ptr[end] != '>');
                 end++)
                ;
            value = span_of(rest.ptr, end);
            rest = span_from(rest, end + quoted);
        }
        if (has_value && (is_event(name) || span_equal_nocase(name, SPAN("style")) ||
                          span_equal_nocase(name, SPAN("filter"))))
            return true;
        if (has_value &&
            is_one_of(name, url_attributes, sizeof url_attributes / sizeof *url_attributes) &&
            is_script_url(value))
            return true;
        if (span_starts(name, SPAN("xmlns")) || span_equal_nocase(name, SPAN("datafld")) ||
            span_equal_nocase(name, SPAN("dataformatas")) ||
            span_equal_nocase(name, SPAN("datasrc")))
            return true;
    }
    return false;
}

/** Looks at a tag behind its '<'. */
static bool bad_tag(struct span rest)
{
    static const struct span odd[] = {SPAN("!entity"), SPAN("!doctype"), SPAN("?import"),
                                      SPAN("![if"), SPAN("?xml")};
    size_t end = 0;

    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++)
        if (rest.len >= odd[i].len && span_equal_nocase(span_of(rest.ptr, odd[i].len), odd[i]))
            return true;
    if (span_starts(rest, SPAN("!--"))) {
        struct span comment = span_from(rest, 3);
        return span_find(comment, '`') >= 0 || span_starts(comment, SPAN("[if"));
    }
    if (rest.len && rest.ptr[0] == '/')
        return false;
    while (rest.len && rest.ptr[0] == '\0')
        rest = span_from(rest, 1);
    while (end < rest.len && !is_end_of_name(rest.ptr[end]))
        end++;
    struct span name = span_of(rest.ptr, end);
    if (end == 0 || waf_digit(name.ptr[0]) < 10)
        return false;
    if (is_one_of(name, elements, sizeof elements / sizeof *elements))
        return true;
    if (name.len >= 3 && (span_equal_nocase(span_of(name.ptr, 3), SPAN("svg")) ||
                          span_equal_nocase(span_of(name.ptr, 3), SPAN("xsl"))))
        return true;
    return bad_attributes(span_from(rest, end));
}

static bool bad_text(struct span value)
{
    for (;;) {
        ptrdiff_t open = span_find(value, '<');
        if (open < 0)
            return false;
        value = span_from(value, (size_t)open + 1);
        if (bad_tag(value))
            return true;
    }
}

/** The value is the rest of an attribute's value that this quote ends; 0: white space does. */
static bool bad_in_attribute(struct span value, char quote)
{
    size_t end = 0;

    while (end < value.len && (quote ? value.ptr[end] != quote : !waf_is_space(value.ptr[end])))
        end++;
    if (end == value.len)
        return false;
    struct span rest = span_from(value, end + 1);
    ptrdiff_t close = span_find(rest, '>');
    return bad_attributes(rest) || (close >= 0 && bad_text(span_from(rest, (size_t)close + 1)));
}

int waf_detect_xss(struct span value, struct waf_captures *captures)
{
    bool bad = bad_text(value) || bad_in_attribute(value, '"') || bad_in_attribute(value, '\'') ||
               bad_in_attribute(value, '`') ||
               (span_find(value, '=') >= 0 && bad_in_attribute(value, 0));

    if (bad) {
        captures->items[0] = value;
        captures->count = 1;
    }
    return bad;
}
