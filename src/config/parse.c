/* From YAML's events to nodes, within the bounds of tree.h. What libyaml refuses is put into words
 * by syntax.c; what the nodes mean is decode.c's. */
#include <stdlib.h>
#include <yaml.h>

#include "base/escape.h"
#include "base/mem.h"
#include "config/tree.h"
#include "config/values.h"

enum { ANCHORS_MAX = 1000 };

struct anchor {
    const char *name;
    struct node *node;
    bool open; /* its value has not ended yet */
};

struct reader {
    struct config_tree *tree;
    const struct source *source;
    struct diags *diags;
    yaml_parser_t parser;
    struct anchor *anchors;
    size_t anchor_count;
    unsigned before; /* lines of the source before those that the parser got */
    unsigned resume; /* after READ_CUT: the line behind which reading may go on */
};

/* A mistake of syntax was told: what was read so far stands, marked as cut. */
enum { READ_CUT = 1, CUTS_MAX = 20 };

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
                     struct node **ret_node);

static struct diag *complain(struct reader *reader, const yaml_event_t *event, const char *sentence)
{
    return source_complain(reader->source, reader->before + (unsigned)event->start_mark.line + 1,
                           (unsigned)event->start_mark.column + 1, reader->diags, "%s", sentence);
}

/** A mistake after which reading goes on. */
static struct diag *step_over(struct reader *reader, const yaml_event_t *event,
                              const char *sentence)
{
    reader->tree->broken = true;
    return complain(reader, event, sentence);
}

static int next_event(struct reader *reader, yaml_event_t *ret_event)
{
    *ret_event = (yaml_event_t){0};
    if (yaml_parser_parse(&reader->parser, ret_event))
        return 0;
    reader->tree->broken = true;
    reader->resume = syntax_explain(&reader->parser, reader->source, reader->before, reader->diags);
    return READ_CUT;
}

static int add_node(struct reader *reader, const yaml_event_t *event, enum node_kind kind,
                    struct node **ret_node)
{
    struct node *node = tree_add_node(reader->tree, reader->source, kind);

    if (!node) {
        complain(reader, event, "the settings have more than 100,000 values");
        return ERR_SETTINGS;
    }
    node->line = reader->before + (unsigned)event->start_mark.line + 1;
    node->column = (unsigned)event->start_mark.column + 1;
    *ret_node = node;
    return 0;
}

/** Counts bytes of values, whose sum is bounded although anchors may repeat them. */
static int count_bytes(struct reader *reader, const yaml_event_t *event, size_t bytes)
{
    size_t max = reader->tree->trusted ? TREE_TRUSTED_MAX : TREE_TEXT_MAX;

    reader->tree->value_bytes += bytes;
    if (reader->tree->value_bytes <= max)
        return 0;
    complain(reader, event, "the settings' values are larger than 16 MiB together");
    return ERR_SETTINGS;
}

/** Notes where an anchor stands. @return its place in the list, or -1 */
static int open_anchor(struct reader *reader, const yaml_event_t *event, const yaml_char_t *name,
                       struct node *node)
{
    if (!name)
        return -1;
    if (reader->anchor_count == ANCHORS_MAX) {
        step_over(reader, event, "the file has more than 1,000 anchors");
        return -1;
    }
    reader->anchors =
        mem_resize(reader->anchors, reader->anchor_count + 1, sizeof *reader->anchors);
    reader->anchors[reader->anchor_count] = (struct anchor){
        .name = tree_copy(reader->tree, span_str((const char *)name)),
        .node = node,
        .open = true,
    };
    return (int)reader->anchor_count++;
}

static void close_anchor(struct reader *reader, int anchor)
{
    if (anchor >= 0)
        reader->anchors[anchor].open = false;
}

static int copy_node(struct reader *reader, const yaml_event_t *event, const struct node *from,
                     unsigned depth, struct node **ret_node)
{
    struct node *copy = NULL;

    if (depth > TREE_DEPTH_MAX) {
        complain(reader, event, "the settings are nested deeper than 32 levels");
        return ERR_SETTINGS;
    }
    int r = add_node(reader, event, from->kind, &copy);
    if (r == 0 && from->text)
        r = count_bytes(reader, event, strlen(from->text));
    if (r < 0)
        return r;
    *copy = *from;
    copy->next = copy->first = copy->last = NULL;
    copy->count = 0;
    for (const struct node *child = from->first; child; child = child->next) {
        struct node *child_copy;
        r = copy_node(reader, event, child, depth + 1, &child_copy);
        if (r < 0)
            return r;
        node_append(copy, child_copy);
    }
    *ret_node = copy;
    return 0;
}

/** `*name`: a copy, counted like any value, so that anchors of anchors end at the bound. */
static int read_alias(struct reader *reader, const yaml_event_t *event, unsigned depth,
                      struct node **ret_node)
{
    const char *name = (const char *)event->data.alias.anchor;

    for (size_t i = reader->anchor_count; i-- > 0;) {
        const struct anchor *anchor = &reader->anchors[i];
        if (strcmp(anchor->name, name) != 0)
            continue;
        if (!anchor->open)
            return copy_node(reader, event, anchor->node, depth, ret_node);
        complain(reader, event, "an anchor's value cannot contain itself");
        return ERR_SETTINGS;
    }
    diag_hint(step_over(reader, event, "no anchor of this name comes before"),
              "a text that starts with * needs quotes: \"*%s\"", name);
    int r = add_node(reader, event, NODE_SCALAR, ret_node);
    if (r == 0) {
        (*ret_node)->text = "";
        (*ret_node)->broken = true;
    }
    return r;
}

static void check_tag(struct reader *reader, const yaml_event_t *event, const yaml_char_t *tag)
{
    static const char *const known[] = {
        "!", YAML_STR_TAG, YAML_INT_TAG, YAML_BOOL_TAG, YAML_FLOAT_TAG, YAML_SEQ_TAG, YAML_MAP_TAG};

    for (size_t i = 0; tag && i < ARRAY_SIZE(known); i++)
        if (strcmp((const char *)tag, known[i]) == 0)
            return;
    if (tag)
        diag_hint(step_over(reader, event, "tags are not understood here"),
                  "a text that starts with ! needs quotes");
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null", "Null", "NULL"};

    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE || event->data.scalar.tag)
        return false;
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (strcmp((const char *)event->data.scalar.value, words[i]) == 0)
            return true;
    return false;
}

static int read_scalar(struct reader *reader, const yaml_event_t *event, struct node *node)
{
    struct span text = span_of((const char *)event->data.scalar.value, event->data.scalar.length);
    int r = 1;

    check_tag(reader, event, event->data.scalar.tag);
    node->text = "";
    if (memchr(text.ptr, '\0', text.len)) {
        step_over(reader, event, "a value contains the character NUL");
        node->broken = true;
        return 0;
    }
    node->null = is_null(event);
    if (!reader->tree->trusted)
        r = environment_expand(reader->tree, node, text, reader->diags, &node->text);
    if (r < 0)
        node->broken = reader->tree->broken = true;
    if (r > 0)
        node->text = tree_copy(reader->tree, text);
    return count_bytes(reader, event, strlen(node->text));
}

static int read_list(struct reader *reader, struct node *list, unsigned depth)
{
    for (;;) {
        yaml_event_t event scoped(yaml_event_delete);
        struct node *item;
        int r = next_event(reader, &event);
        if (r == 0 && event.type == YAML_SEQUENCE_END_EVENT)
            return 0;
        if (r == 0) {
            r = read_node(reader, &event, depth + 1, &item);
            if (r >= 0)
                node_append(list, item);
        }
        list->cut = r > 0;
        if (r > 0 && list->last) /* the mistake may be in this value */
            list->last->broken = true;
        if (r != 0)
            return r;
    }
}

/** The first character that is escaped where it is printed, or 0. */
static uint32_t hidden_character(struct span text)
{
    for (size_t length; text.len; text = span_from(text, length)) {
        uint32_t code = 0;
        length = utf8_decode(text, &code);
        if (length == 0 || escape_needed(code))
            return length ? code : 0;
    }
    return 0;
}

/** Says what is wrong with a key. @return whether anything is */
static bool key_is_wrong(struct reader *reader, const yaml_event_t *event)
{
    struct span key =
        event->type == YAML_SCALAR_EVENT
            ? span_of((const char *)event->data.scalar.value, event->data.scalar.length)
            : span_of(NULL, 0);
    char *clean scoped(mem_release) = text_cut(key, key.len);
    uint32_t hidden = 0;

    if (event->type != YAML_SCALAR_EVENT)
        diag_hint(step_over(reader, event, "a key must be a text"),
                  "if a value starts here, put it in quotes: [, { and * have a meaning in YAML");
    else if (is_null(event))
        diag_hint(step_over(reader, event, "a value stands here without a key"),
                  "a text that starts with a colon needs quotes, as in [\":443\"]");
    else if (key.len > TREE_KEY_MAX)
        step_over(reader, event, "a key is longer than 400 bytes");
    else if (!span_equal(span_str(clean), key))
        step_over(reader, event, "a key contains the character NUL");
    else if ((hidden = hidden_character(key)) > 0)
        diag_hint(step_over(reader, event, "a key contains a character that cannot be seen"),
                  "it is U+%04X, shown by its number above: %s", (unsigned)hidden,
                  hidden == 0xa0 ? "write an ordinary space, or none" : "remove it");
    else if (strcmp(clean, "<<") == 0 && event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE)
        diag_hint(step_over(reader, event, "the merge key << is not understood"),
                  "write the keys out, or give the whole value as *name");
    else
        return false;
    return true;
}

static int read_pairs(struct reader *reader, struct node *mapping, unsigned depth)
{
    for (;;) {
        yaml_event_t key scoped(yaml_event_delete);
        yaml_event_t value scoped(yaml_event_delete) = {0};
        struct node *child = NULL;
        int r = next_event(reader, &key);
        mapping->cut = r > 0;
        if (r > 0 && mapping->last) /* the mistake may be in this value */
            mapping->last->broken = true;
        if (r != 0)
            return r;
        if (key.type == YAML_MAPPING_END_EVENT)
            break;
        bool wrong = key_is_wrong(reader, &key);
        mapping->broken |= wrong;
        if (key.type != YAML_SCALAR_EVENT) /* read, so that what follows makes sense */
            r = read_node(reader, &key, depth + 1, &child);
        if (r == 0)
            r = next_event(reader, &value);
        if (r == 0)
            r = read_node(reader, &value, depth + 1, &child);
        else
            child = NULL;
        mapping->cut = r > 0;
        if (r < 0 || (r > 0 && (wrong || !child)))
            return r;
        if (wrong)
            continue;
        child->key = tree_copy(
            reader->tree, span_of((const char *)key.data.scalar.value, key.data.scalar.length));
        child->key_line = reader->before + (unsigned)key.start_mark.line + 1;
        child->key_column = (unsigned)key.start_mark.column + 1;
        node_append(mapping, child);
        if (r > 0)
            return r;
    }
    return 0;
}

static int read_mapping(struct reader *reader, struct node *mapping, unsigned depth)
{
    int r = read_pairs(reader, mapping, depth);

    if (r >= 0) /* of a cut one, too: each key is decoded once */
        refuse_duplicates(reader->tree, mapping, reader->diags);
    return r;
}

static int read_node(struct reader *reader, const yaml_event_t *event, unsigned depth,
                     struct node **ret_node)
{
    enum node_kind kind = event->type == YAML_SEQUENCE_START_EVENT  ? NODE_LIST
                          : event->type == YAML_MAPPING_START_EVENT ? NODE_MAPPING
                                                                    : NODE_SCALAR;
    struct node *node;

    if (depth > TREE_DEPTH_MAX) {
        complain(reader, event, "the settings are nested deeper than 32 levels");
        return ERR_SETTINGS;
    }
    if (event->type == YAML_ALIAS_EVENT)
        return read_alias(reader, event, depth, ret_node);
    int r = add_node(reader, event, kind, &node);
    if (r < 0)
        return r;
    int anchor = -1;
    if (kind == NODE_SCALAR) {
        anchor = open_anchor(reader, event, event->data.scalar.anchor, node);
        r = read_scalar(reader, event, node);
    } else if (kind == NODE_LIST) {
        check_tag(reader, event, event->data.sequence_start.tag);
        anchor = open_anchor(reader, event, event->data.sequence_start.anchor, node);
        r = read_list(reader, node, depth);
    } else {
        check_tag(reader, event, event->data.mapping_start.tag);
        anchor = open_anchor(reader, event, event->data.mapping_start.anchor, node);
        r = read_mapping(reader, node, depth);
    }
    close_anchor(reader, anchor);
    *ret_node = node;
    return r;
}

/** Reads the stream's one document. */
static int read_stream(struct reader *reader, struct node **ret_root)
{
    struct node *root = NULL;

    for (;;) {
        yaml_event_t event scoped(yaml_event_delete);
        int r = next_event(reader, &event);
        if (r == 0 && event.type == YAML_STREAM_END_EVENT)
            break;
        if (r != 0) {
            *ret_root = root;
            return r;
        }
        if (event.type == YAML_STREAM_START_EVENT || event.type == YAML_DOCUMENT_END_EVENT)
            continue;
        if (event.type == YAML_DOCUMENT_START_EVENT && root) {
            diag_hint(complain(reader, &event, "a second document starts here"),
                      "put the settings into one document, or into files named by `include`");
            return ERR_SETTINGS;
        }
        if (event.type != YAML_DOCUMENT_START_EVENT)
            r = read_node(reader, &event, 0, &root);
        if (r != 0) {
            *ret_root = root;
            return r;
        }
    }
    *ret_root = root && root->null ? NULL : root;
    return 0;
}

/* ---- behind a mistake of syntax ---- */

/* A key at the left edge, where the text makes sense again whatever stood above. */
static bool begins_key(struct span line)
{
    size_t at = 0;

    while (at < line.len && (ascii_lower(line.ptr[at]) >= 'a' && ascii_lower(line.ptr[at]) <= 'z'))
        at++;
    while (at > 0 && at < line.len && line.ptr[at] != ':' && line.ptr[at] > ' ')
        at++;
    return at > 0 && at < line.len && line.ptr[at] == ':' &&
           (at + 1 == line.len || strchr(" \t\r", line.ptr[at + 1]));
}

/* The text from the next such line on, empty when there is none. */
static struct span text_behind(struct reader *reader)
{
    const struct span *all = &reader->source->text;

    for (unsigned line = reader->resume + 1;; line++) {
        struct span text = source_line(reader->source, line);
        if (!text.ptr || text.ptr >= all->ptr + all->len)
            return (struct span){0};
        reader->before = line - 1;
        if (begins_key(text))
            return span_from(*all, (size_t)(text.ptr - all->ptr));
    }
}

/* Keys that the root has already stay as they were. */
static void adopt_children(struct node *root, struct node *from)
{
    for (struct node *child = from->first, *next; child; child = next) {
        next = child->next;
        child->next = NULL;
        if (!node_find(root, span_str(child->key)))
            node_append(root, child);
    }
}

static int parse_text(struct reader *reader, struct span text, struct node **ret_root)
{
    if (!yaml_parser_initialize(&reader->parser))
        abort(); /* out of memory */
    yaml_parser_set_encoding(&reader->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&reader->parser, (const unsigned char *)text.ptr, text.len);
    int r = read_stream(reader, ret_root);
    yaml_parser_delete(&reader->parser);
    return r;
}

int tree_parse(struct config_tree *tree, const struct source *source, struct diags *diags,
               struct node **ret_root)
{
    struct reader reader = {.tree = tree, .source = source, .diags = diags};

    if (source_check_bytes(source, diags) < 0)
        return ERR_SETTINGS;
    int r = parse_text(&reader, source->text, ret_root);
    struct span rest;
    for (int cuts = 0; r == READ_CUT && cuts < CUTS_MAX && (rest = text_behind(&reader)).len;
         cuts++) {
        struct node *more = NULL;
        r = parse_text(&reader, rest, &more);
        if (r >= 0 && more && more->kind == NODE_MAPPING && *ret_root &&
            (*ret_root)->kind == NODE_MAPPING)
            adopt_children(*ret_root, more);
        else if (r >= 0 && !*ret_root)
            *ret_root = more;
    }
    if (r >= 0 && reader.resume) { /* the root is whole nowhere behind a mistake */
        r = *ret_root && (*ret_root)->kind == NODE_MAPPING ? 0 : ERR_SETTINGS;
        if (r == 0)
            (*ret_root)->cut = true;
    }
    free(reader.anchors);
    return r;
}
