/* `${NAME}` and `${NAME:-default}` in a scalar, and what shells alone would expand. Which texts may
 * use variables is the parser's. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/values.h"

enum { VALUE_MAX = 64 << 10, NAME_MAX_LEN = 200, DEFAULTS_DEPTH = 8 };

static int expand(struct buffer *out, const struct node *node, struct span text, unsigned depth,
                  struct diags *diags);

static bool is_name(struct span name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = ascii_lower(name.ptr[i]);
        if (!((c >= 'a' && c <= 'z') || c == '_' || (i > 0 && c >= '0' && c <= '9')))
            return false;
    }
    return name.len > 0 && name.len <= NAME_MAX_LEN;
}

static bool is_text(struct span text)
{
    for (size_t len; text.len; text = span_from(text, len)) {
        len = utf8_length(text);
        if (len == 0)
            return false;
    }
    return true;
}

/** Where the `${` at the front of a text is closed, those in its default passed over.
 *  @return the position of the brace, or -1 */
static ptrdiff_t closing_brace(struct span text)
{
    size_t open = 0;

    for (size_t i = 0; i < text.len; i++) {
        if (span_starts(span_from(text, i), SPAN("${")))
            open++;
        else if (text.ptr[i] == '}' && --open == 0)
            return (ptrdiff_t)i;
    }
    return -1;
}

/** One `${…}` whose inside is `inside`; its default may name variables itself. */
static int expand_one(struct buffer *out, const struct node *node, struct span inside,
                      unsigned depth, struct diags *diags)
{
    struct span fallback = {0};
    struct span name = inside;
    const char *dash = inside.len ? memmem(inside.ptr, inside.len, ":-", 2) : NULL;

    if (dash) {
        name.len = (size_t)(dash - inside.ptr);
        fallback = span_from(inside, name.len + 2);
    }
    if (!is_name(name)) {
        diag_hint(node_complain(node, diags, "${ is not followed by the name of a variable and }"),
                  "write ${NAME}, ${NAME:-default}, or $${ for a literal ${");
        return ERR_SYNTAX;
    }
    char *copy scoped(mem_release) = mem_string(name);
    struct span value = span_str(getenv(copy));
    if (!value.ptr && !dash) {
        diag_hint(node_complain(node, diags, "the environment variable %s is not set", copy),
                  "set it, or give a default: ${%s:-value}", copy);
        return ERR_SYNTAX;
    }
    if (!is_text(value)) {
        node_complain(node, diags, "the environment variable %s is not UTF-8 text", copy);
        return ERR_SYNTAX;
    }
    if (value.len || !dash)
        return buffer_add(out, value);
    if (depth == DEFAULTS_DEPTH) {
        node_complain(node, diags, "defaults of variables are nested deeper than %d levels",
                      DEFAULTS_DEPTH);
        return ERR_SYNTAX;
    }
    return expand(out, node, fallback, depth + 1, diags);
}

static int expand(struct buffer *out, const struct node *node, struct span text, unsigned depth,
                  struct diags *diags)
{
    while (text.len) {
        const char *dollar = memchr(text.ptr, '$', text.len);
        size_t plain = dollar ? (size_t)(dollar - text.ptr) : text.len;
        int r = buffer_add(out, span_of(text.ptr, plain));
        text = span_from(text, plain);
        if (r == 0 && span_starts(text, SPAN("$${"))) {
            r = buffer_add(out, SPAN("${"));
            text = span_from(text, 3);
        } else if (r == 0 && span_starts(text, SPAN("${"))) {
            ptrdiff_t end = closing_brace(text);
            r = expand_one(out, node, span_of(text.ptr + 2, end < 2 ? 0 : (size_t)end - 2), depth,
                           diags);
            text = span_from(text, end < 2 ? text.len : (size_t)end + 1);
        } else if (r == 0 && text.len) {
            r = buffer_add(out, span_of(text.ptr, 1));
            text = span_from(text, 1);
        }
        if (r < 0)
            return r;
    }
    return 0;
}

bool path_is_for_shells(const struct node *node, struct diags *diags)
{
    struct span text = span_str(node->text);
    size_t end = 1;

    while (end < text.len && text.ptr[end] != '/')
        end++;
    struct span name = span_from(span_of(text.ptr, end < text.len ? end : text.len), 1);
    if (span_starts(text, SPAN("~")))
        diag_hint(node_complain(node, diags, "~ is not expanded here: only shells do that"),
                  "write the whole path, such as /home/%.*s%.*s, or ${HOME}%.*s",
                  (int)(name.len ? name.len : 4), name.len ? name.ptr : "NAME",
                  SPAN_ARGS(span_from(text, end)), SPAN_ARGS(span_from(text, end)));
    else if (span_starts(text, SPAN("$")) && is_name(name))
        diag_hint(node_complain(node, diags, "$%.*s is not expanded here without braces",
                                SPAN_ARGS(name)),
                  "write ${%.*s}%.*s; a folder of that name is ./%.*s", SPAN_ARGS(name),
                  SPAN_ARGS(span_from(text, end)), SPAN_ARGS(text));
    else
        return false;
    return true;
}

int environment_expand(struct config_tree *tree, const struct node *node, struct span text,
                       struct diags *diags, const char **ret_text)
{
    struct buffer out scoped(buffer_finish) = buffer_make(VALUE_MAX);

    if (text.len == 0 || !memmem(text.ptr, text.len, "${", 2))
        return 1;
    int r = expand(&out, node, text, 0, diags);
    if (r == ERR_LIMIT) {
        node_complain(node, diags, "with its variables this value is longer than 64 KiB");
        return ERR_SYNTAX;
    }
    if (r == 0)
        *ret_text = tree_copy(tree, buffer_span(&out));
    return r;
}
