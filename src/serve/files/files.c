/* A folder's life, and the way of a request to a file: method, path, cache, disk, fallback. The
 * steps after that are listed in internal.h. */
#include "serve/files/files.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/mem.h"
#include "serve/files/internal.h"
#include "serve/route.h"

int files_create(const struct files_settings *settings, int root_fd, const uint64_t secret[2],
                 struct files **ret_files)
{
    const struct file_path here = {".", 1};
    struct opened_file probe;

    int r = file_open(root_fd, &here, O_PATH | O_DIRECTORY, &probe, NULL);
    if (r < 0)
        return r;
    struct files *files = mem_new(struct files);
    files->settings = settings;
    files->root_fd = probe.fd;
    files->refs = 1;
    files->secret[0] = secret[0];
    files->secret[1] = secret[1];
    files->codings = compress_codings(&settings->compress);
    files->types = media_types_create(&settings->types, settings->charset);
    list_init(&files->listings);
    file_cache_init(&files->cache, (size_t)settings->cache.total, secret);
    *ret_files = files;
    return 0;
}

void files_set_guard(struct files *files, const struct files_guard *guard)
{
    size_t size = guard->count * sizeof *guard->items;

    free(files->guard.items);
    files->guard = *guard;
    files->guard.items = mem_alloc(size + 1);
    if (size)
        memcpy(files->guard.items, guard->items, size);
    files_guard_sort(&files->guard);
}

void files_unref(struct files *files)
{
    if (--files->refs > 0)
        return;
    media_types_destroy(files->types);
    free(files);
}

void files_destroy(struct files *files)
{
    if (!files)
        return;
    files_forget_listings(files);
    file_cache_finish(&files->cache);
    free(take(files->guard.items));
    files->guard.count = 0;
    close(files->root_fd);
    files->root_fd = -1;
    files_unref(files);
}

void files_stats(const struct files *files, struct files_stats *ret_stats)
{
    *ret_stats =
        (struct files_stats){files->cache.bytes, files->cache.count, files->hits, files->misses};
}

static void answer_other_method(const struct files_request *q)
{
    const struct http_field allow = {SPAN("allow"), SPAN("GET, HEAD, OPTIONS")};
    struct files_reply reply;

    if (q->x->request.method != HTTP_OPTIONS) {
        request_fail_with(q->r, 405, NULL, &allow);
        return;
    }
    files_reply_begin(q, &reply, 204);
    files_reply_add(&reply, allow.name, allow.value);
    files_reply_send(q, &reply, false);
}

/* The location is the resolved path encoded anew: it begins with exactly one slash and holds no
 * backslash, so that no browser takes it for another host. */
static void redirect_to_folder(const struct files_request *q)
{
    struct span path = q->r->path, query = q->x->request.query;
    scoped(buffer_finish) struct buffer location = buffer_make(4 * FILE_PATH_MAX + query.len);
    struct files_reply reply;

    int r = http_path_encode(&location, path);
    if (r == 0)
        r = buffer_append(&location, "/", 1);
    if (r == 0 && query.ptr) {
        r = buffer_append(&location, "?", 1);
        if (r == 0)
            r = buffer_add(&location, query);
    }
    char *value = r == 0 ? arena_copy(&q->x->arena, buffer_span(&location)) : NULL;
    files_reply_begin(q, &reply, 308);
    files_reply_add(&reply, SPAN("location"), span_of(value, location.len));
    files_reply_send(q, &reply, !value);
}

static bool answer_path(const struct files_request *q, struct span path, bool fall_back);

/* Whether a path looks like a page of an application rather than like one of its files. */
static bool is_page(const struct files *files, struct span path)
{
    return !media_types_know(files->types, path) || span_ends(path, SPAN(".html"));
}

static bool answer_fallback(const struct files_request *q, struct span path)
{
    const char *fallback = q->files->settings->fallback;

    return fallback && !q->files_only && is_page(q->files, path) &&
           answer_path(q, span_str(fallback), false);
}

static void answer_folder(const struct files_request *q, struct span path,
                          struct opened_file *folder)
{
    if (q->files->settings->listing) {
        files_answer_listing(q, path, folder);
        return;
    }
    opened_file_close(folder);
    if (answer_fallback(q, path) || request_pass_on(q->r))
        return;
    request_fail(q->r, 403, "a folder without index file, and listing is off");
}

/* Nothing is there for visitors: perhaps others have an answer. @return whether there was one */
static bool answer_missing(const struct files_request *q, struct span path, int error)
{
    if (error == -ENOENT && answer_fallback(q, path))
        return true;
    return (error == -ENOENT || error == ERR_NOT_FOUND) && request_pass_on(q->r);
}

static void answer_file(const struct files_request *q, struct span path, struct file_path *name,
                        struct opened_file *opened)
{
    struct cached_file *file = files_load(q, path, name, opened);

    if (!file) {
        files_answer_opened(q, name, opened);
        return;
    }
    opened_file_close(opened);
    files_answer_cached(q, file);
}

/* @return false when there is nothing at that path and this was the fallback: not answered then */
static bool answer_from_disk(const struct files_request *q, struct span path, bool fall_back)
{
    struct file_path name;
    struct opened_file opened;
    const char *reason = NULL;

    q->files->misses++;
    int r = files_locate(q->files, path, &name, &opened, &reason);
    if (r == LOCATED_FILE) {
        answer_file(q, path, &name, &opened);
        return true;
    }
    if (!fall_back) {
        if (r == LOCATED_FOLDER)
            opened_file_close(&opened);
        q->r->reason = "the fallback cannot be read";
        return false;
    }
    if (q->files_only && r >= 0) {
        if (r == LOCATED_FOLDER)
            opened_file_close(&opened);
        r = -ENOENT;
    }
    if (r == LOCATED_FOLDER)
        answer_folder(q, path, &opened);
    else if (r == LOCATED_SLASH_MISSING && !request_pass_on(q->r))
        redirect_to_folder(q);
    else if (r < 0 && !answer_missing(q, path, r))
        files_fail_errno(q, r, reason);
    return true;
}

static bool answer_path(const struct files_request *q, struct span path, bool fall_back)
{
    struct cached_file *file = file_cache_get(&q->files->cache, path);

    if (likely(file && (q->now < file->fresh_until || files_revalidate(q, file)))) {
        q->files->hits++;
        files_answer_cached(q, file);
        return true;
    }
    return answer_from_disk(q, path, fall_back);
}

static void answer(struct files_request *q)
{
    http_asks_find(&q->x->request.fields, &q->asks);
    q->r->coding_settled = true;
    if (unlikely(q->x->request.method != HTTP_GET && q->x->request.method != HTTP_HEAD))
        answer_other_method(q);
    else if (unlikely(q->r->rest.len == 1 && !span_ends(q->r->path, SPAN("/")))) {
        if (!request_pass_on(q->r))
            redirect_to_folder(q); /* the folder of the route itself */
    } else
        answer_path(q, q->r->rest, true);
}

void files_answer(struct files *files, struct request *r, nsec_t now, nsec_t wall)
{
    struct files_request q = {.files = files, .r = r, .x = r->x, .now = now, .wall = wall};

    answer(&q);
}

/* ---- handlers ---- */

static void start(struct request *r)
{
    files_answer(r->route->config, r, request_now(r), request_wall(r));
}

static void release(void *config)
{
    files_destroy(config);
}

const struct handler files_handler = {.name = "files", .start = start, .release = release};

/* The whole path is looked up, not only what is beneath the route's. */
static void start_challenge(struct request *r)
{
    struct files_request q = {.files = r->route->config,
                              .r = r,
                              .x = r->x,
                              .now = request_now(r),
                              .wall = request_wall(r),
                              .files_only = true};

    r->rest = r->path;
    answer(&q);
}

const struct handler challenge_files_handler = {.name = "challenge", .start = start_challenge};
