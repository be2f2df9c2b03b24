/* `${NAME}` and `${NAME:-default}` in a scalar. Which texts may use them is the parser's. */
#include <stdlib.h>

#include "base/buffer.h"
#include "base/escape.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/values.h"

enum { VALUE_MAX = 64 << 10, NAME_MAX_LEN = 200 };

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

/** One `${…}` whose inside is `inside`. */
static int expand_one(struct buffer *out, const struct node *node, struct span inside,
                      struct diags *diags)
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
    return buffer_add(out, value.len || !dash ? value : fallback);
}

static int expand(struct buffer *out, const struct node *node, struct span text,
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
            ptrdiff_t end = span_find(text, '}');
            r = expand_one(out, node, span_of(text.ptr + 2, end < 2 ? 0 : (size_t)end - 2), diags);
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

int environment_expand(struct config_tree *tree, const struct node *node, struct span text,
                       struct diags *diags, const char **ret_text)
{
    struct buffer out scoped(buffer_finish) = buffer_make(VALUE_MAX);

    if (text.len == 0 || !memmem(text.ptr, text.len, "${", 2))
        return 1;
    int r = expand(&out, node, text, diags);
    if (r == ERR_LIMIT) {
        node_complain(node, diags, "with its variables this value is longer than 64 KiB");
        return ERR_SYNTAX;
    }
    if (r == 0)
        *ret_text = tree_copy(tree, buffer_span(&out));
    return r;
}
