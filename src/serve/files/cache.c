/* A bounded map of files with second-chance eviction. Only files that nobody sends are evicted, so
 * that the bound holds for memory and not only for the map. */
#include "serve/files/cache.h"

#include <stdlib.h>

#include "base/mem.h"

enum { SWEEP_MAX = 1024, /* steps of the clock's hand for one request */ };

static char *put_hex(char *out, uint64_t number, int digits)
{
    for (int shift = (digits - 1) * 4; shift >= 0; shift -= 4)
        *out++ = "0123456789abcdef"[number >> shift & 15];
    return out;
}

void file_tags_make(const struct file_identity *identity, enum http_coding coding, nsec_t wall,
                    struct file_tags *ret_tags)
{
    /* Not a secret: the same file has the same tag in every worker and after a restart. The inode
     * and the time of change tell apart what kept its size and date. */
    static const uint64_t key[2] = {0x67617264u, 0x69656eu};
    static const char suffix[HTTP_CODINGS][4] = {"", "-gz", "-br", "-zs"};
    uint64_t words[] = {(uint64_t)identity->modified, (uint64_t)identity->changed,
                        (uint64_t)identity->size, identity->inode};
    uint64_t hash = hash_bytes(span_of((const char *)words, sizeof words), key);
    size_t suffix_len = strlen(suffix[coding]);
    char *at = ret_tags->etag;

    *at++ = '"';
    at = put_hex(at, hash, 16);
    memcpy(at, suffix[coding], suffix_len);
    at += suffix_len;
    *at++ = '"';
    ret_tags->etag_len = (uint8_t)(at - ret_tags->etag);
    ret_tags->modified = identity->modified / NSEC_PER_SEC;
    /* RFC 9110 section 8.8.2.1: never later than the answer. 0 and 1 s are what reproducible builds
     * give every version of a file: such a date would keep clients to an old one. */
    if (ret_tags->modified <= 1 || identity->modified > wall)
        ret_tags->modified = -1;
    http_date_format(ret_tags->modified, ret_tags->last_modified);
}

void file_cache_init(struct file_cache *cache, size_t limit, const uint64_t secret[2])
{
    *cache = (struct file_cache){.limit = limit};
    map_init(&cache->map, secret);
    list_init(&cache->clock);
}

void file_cache_finish(struct file_cache *cache)
{
    list_for_each (file, spare, &cache->clock, struct cached_file, link)
        file_cache_drop(cache, file);
    map_finish(&cache->map);
}

struct cached_file *file_cache_get(struct file_cache *cache, struct span key)
{
    struct cached_file *file = map_get(&cache->map, key);

    if (file)
        file->seen = true;
    return file;
}

/* Moves the hand until there is room; `spared` stays. */
static bool make_room(struct file_cache *cache, size_t need, const struct cached_file *spared)
{
    if (need > cache->limit)
        return false;
    for (int steps = 0; cache->bytes > cache->limit - need; steps++) {
        if (steps == SWEEP_MAX || list_empty(&cache->clock))
            return false;
        struct cached_file *file = list_first(&cache->clock, struct cached_file, link);
        if (!file->seen && file->refs == 1 && file != spared) {
            file_cache_drop(cache, file);
            continue;
        }
        file->seen = false;
        list_remove(&file->link);
        list_append(&cache->clock, &file->link);
    }
    return true;
}

struct cached_file *file_cache_new(struct file_cache *cache, struct span key, size_t size)
{
    /* The map's own entry with its copy of the key is counted as well. */
    size_t own = sizeof(struct cached_file) + 2 * key.len + 64;

    if (size > cache->limit || !make_room(cache, own + size, NULL))
        return NULL;
    struct cached_file *file = mem_zalloc(sizeof *file + key.len);
    list_init(&file->link);
    file->refs = 1;
    file->cost = own + size;
    file->key_len = key.len;
    memcpy(file->key, key.ptr, key.len);
    cache->bytes += file->cost;
    return file;
}

bool file_cache_grow(struct file_cache *cache, struct cached_file *file, size_t size)
{
    if (!make_room(cache, size, file))
        return false;
    file->cost += size;
    cache->bytes += size;
    return true;
}

void file_cache_put(struct file_cache *cache, struct cached_file *file)
{
    struct span key = span_of(file->key, file->key_len);
    struct cached_file *former = map_get(&cache->map, key);

    if (former)
        file_cache_drop(cache, former);
    map_set(&cache->map, key, file);
    list_append(&cache->clock, &file->link);
    file->cached = true;
    cache->count++;
}

void file_cache_drop(struct file_cache *cache, struct cached_file *file)
{
    if (!file->cached)
        return;
    map_remove(&cache->map, span_of(file->key, file->key_len));
    list_remove(&file->link);
    file->cached = false;
    cache->count--;
    cached_file_unref(cache, file);
}

void cached_file_unref(struct file_cache *cache, struct cached_file *file)
{
    if (--file->refs > 0)
        return;
    cache->bytes -= file->cost;
    for (int i = 0; i < HTTP_CODINGS; i++)
        free(file->variants[i].bytes);
    free(file);
}
