/* Sets of phrases, as an Aho-Corasick automaton over folded letters. */
#include "protect/waf/phrases.h"

#include <stdlib.h>

#include "base/mem.h"

/* While phrases are added: the first child and the next sibling. */
struct node {
    uint32_t child;
    uint32_t sibling;
    uint32_t fallback;
    uint32_t length; /* of the phrase that ends here, or the longest that its fallback ends; 0 */
    unsigned char byte;
};

struct waf_phrases {
    struct node *nodes;
    size_t count;
    size_t room;
    /* after sealing */
    unsigned char classes[256]; /* bytes that no phrase has are of class 0 */
    unsigned class_count;
    uint32_t *next; /* of a node and a class */
};

static uint32_t add_node(struct waf_phrases *phrases)
{
    if (phrases->count == phrases->room) {
        phrases->room = phrases->room ? phrases->room * 2 : 64;
        phrases->nodes = mem_resize(phrases->nodes, phrases->room, sizeof *phrases->nodes);
    }
    phrases->nodes[phrases->count] = (struct node){.fallback = 0};
    return (uint32_t)phrases->count++;
}

struct waf_phrases *waf_phrases_create(void)
{
    struct waf_phrases *phrases = mem_new(struct waf_phrases);

    add_node(phrases);
    return phrases;
}

void waf_phrases_destroy(struct waf_phrases *phrases)
{
    if (!phrases)
        return;
    free(phrases->nodes);
    free(phrases->next);
    free(phrases);
}

static uint32_t find_child(const struct waf_phrases *phrases, uint32_t at, unsigned char byte)
{
    uint32_t child = phrases->nodes[at].child;

    while (child && phrases->nodes[child].byte != byte)
        child = phrases->nodes[child].sibling;
    return child;
}

void waf_phrases_add(struct waf_phrases *phrases, struct span phrase)
{
    uint32_t at = 0;

    for (size_t i = 0; i < phrase.len; i++) {
        unsigned char byte = (unsigned char)ascii_lower(phrase.ptr[i]);
        uint32_t child = find_child(phrases, at, byte);
        if (!child) {
            child = add_node(phrases);
            phrases->nodes[child].byte = byte;
            phrases->nodes[child].sibling = phrases->nodes[at].child;
            phrases->nodes[at].child = child;
        }
        at = child;
    }
    if (at)
        phrases->nodes[at].length = (uint32_t)phrase.len;
}

static void sort_bytes(struct waf_phrases *phrases)
{
    phrases->class_count = 1;
    for (size_t i = 1; i < phrases->count; i++) {
        unsigned char byte = phrases->nodes[i].byte;
        if (!phrases->classes[byte])
            phrases->classes[byte] = (unsigned char)phrases->class_count++;
    }
    for (unsigned c = 'A'; c <= 'Z'; c++)
        phrases->classes[c] = phrases->classes[c | 0x20];
}

void waf_phrases_seal(struct waf_phrases *phrases)
{
    uint32_t *queue = mem_alloc(phrases->count * sizeof *queue);
    size_t head = 0, tail = 0;

    sort_bytes(phrases);
    size_t classes = phrases->class_count;
    phrases->next = mem_zalloc(phrases->count * classes * sizeof *phrases->next);
    queue[tail++] = 0;
    while (head < tail) {
        uint32_t at = queue[head++];
        struct node *node = &phrases->nodes[at];
        uint32_t *next = &phrases->next[at * classes];
        const uint32_t *other = &phrases->next[node->fallback * classes];
        if (at && !node->length)
            node->length = phrases->nodes[node->fallback].length;
        if (at)
            memcpy(next, other, classes * sizeof *next);
        for (uint32_t child = node->child; child; child = phrases->nodes[child].sibling) {
            unsigned class = phrases->classes[phrases->nodes[child].byte];
            phrases->nodes[child].fallback = at ? other[class] : 0;
            next[class] = child;
            queue[tail++] = child;
        }
    }
    free(queue);
}

bool waf_phrases_find(const struct waf_phrases *phrases, struct span value, struct span *ret_found)
{
    uint32_t at = 0;

    for (size_t i = 0; i < value.len; i++) {
        unsigned class = phrases->classes[(unsigned char)value.ptr[i]];
        at = phrases->next[at * phrases->class_count + class];
        size_t length = phrases->nodes[at].length;
        if (length) {
            *ret_found = span_of(value.ptr + i + 1 - length, length);
            return true;
        }
    }
    return false;
}
