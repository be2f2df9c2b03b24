/* One pass over the path: each character is undone of its percent-encoding, as far as it hides one
 * of those that matter, and segments are judged as they end. */
#include "serve/proxy/path.h"

/** The part of a segment that is seen so far. */
struct segment {
    unsigned dots;
    bool more;      /**< something else than dots */
    bool parameter; /**< a semicolon came: what follows counts for nobody or for one side */
};

static bool is_dots(const struct segment *segment)
{
    return !segment->more && (segment->dots == 1 || segment->dots == 2);
}

/** The character at the front, of "%2e", "%252e" and the like the one that is meant.
 *  @return bytes that it takes */
static size_t character(struct span rest, char *ret_character)
{
    static const struct {
        const char code[3];
        char character;
    } hidden[] = {{"2e", '.'}, {"2f", '/'}, {"5c", '\\'}, {"3b", ';'}};
    size_t at = 1;

    *ret_character = rest.ptr[0];
    if (rest.ptr[0] != '%')
        return 1;
    while (rest.len >= at + 2 && rest.ptr[at] == '2' && rest.ptr[at + 1] == '5')
        at += 2; /* "%25" is "%" again */
    for (size_t i = 0; rest.len >= at + 2 && i < ARRAY_SIZE(hidden); i++)
        if (rest.ptr[at] == hidden[i].code[0] &&
            ascii_lower(rest.ptr[at + 1]) == hidden[i].code[1]) {
            *ret_character = hidden[i].character;
            return at + 2;
        }
    return 1;
}

bool path_is_ambiguous(struct span path)
{
    struct segment segment = {0};

    while (path.len) {
        char c;
        path = span_from(path, character(path, &c));
        if (c == '\\')
            return true;
        if (c == '/') {
            if (is_dots(&segment))
                return true;
            segment = (struct segment){0};
        } else if (c == ';') {
            segment.parameter = true;
        } else if (c == '.' && !segment.parameter) {
            segment.dots++;
        } else if (!segment.parameter) {
            segment.more = true;
        }
    }
    return is_dots(&segment);
}

struct span path_as_others_read(struct arena *arena, struct span path)
{
    bool parameter = false;
    size_t len = 0;

    if (span_find(path, ';') < 0 && span_find_span(path, SPAN("%2F")) < 0)
        return path;
    char *out = arena_alloc(arena, path.len + 1);
    for (size_t at = 0; out && at < path.len; at++) {
        bool hidden = span_starts(span_from(path, at), SPAN("%2F"));
        char c = hidden ? '/' : path.ptr[at];
        at += hidden ? 2 : 0;
        parameter = c == ';' || (parameter && c != '/');
        if (!parameter && !(c == '/' && len && out[len - 1] == '/'))
            out[len++] = c;
    }
    return out ? span_of(out, len) : (struct span){NULL, 0};
}
