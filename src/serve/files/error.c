/* Error pages of a folder, and the status for a system call that failed. What stands around the
 * page is error_page.c's. */
#include <errno.h>
#include <stdio.h>

#include "serve/files/internal.h"

/* The path of the site's page: "404" goes before "4xx". */
static struct span page_path(const struct files *files, int status)
{
    const struct config_pairs *pages = &files->settings->error_pages;
    char exact[12], class[12];
    struct span found = {NULL, 0};

    snprintf(exact, sizeof exact, "%d", status);
    snprintf(class, sizeof class, "%dxx", status / 100);
    for (size_t i = 0; i < pages->count; i++) {
        if (strcmp(pages->items[i].key, exact) == 0)
            return span_str(pages->items[i].value);
        if (strcmp(pages->items[i].key, class) == 0)
            found = span_str(pages->items[i].value);
    }
    return found;
}

/* Finds the page in the cache or on disk. @return false when there is none */
static bool find_page(const struct files_request *q, struct span path, struct file_choice *choice)
{
    const char *reason = NULL;
    struct file_path name;
    struct opened_file opened;
    struct cached_file *file = file_cache_get(&q->files->cache, path);

    if (!file || (q->now >= file->fresh_until && !files_revalidate(q, file))) {
        int r = files_locate(q->files, path, &name, &opened, &reason);
        if (r == LOCATED_FOLDER)
            opened_file_close(&opened);
        if (r != LOCATED_FILE)
            return false;
        file = files_load(q, path, &name, &opened);
        choice->source = (struct file_source){NULL, NULL, opened.fd};
        choice->size = opened.identity.size;
        choice->content_type = files_content_type(
            media_types_find(q->files->types, span_of(name.text, name.len)), &opened);
        if (file)
            opened_file_close(&opened);
    }
    if (file) {
        const struct cached_variant *plain = &file->variants[HTTP_CODING_IDENTITY];
        choice->source = (struct file_source){file, plain->bytes, -1};
        choice->size = (int64_t)plain->size;
        choice->content_type = file->content_type;
    }
    return true;
}

bool files_error_page(struct files *files, struct request *r, int status,
                      struct files_page *ret_page)
{
    struct files_request q = {
        .files = files, .r = r, .x = r->x, .now = request_now(r), .wall = request_wall(r)};
    struct file_choice choice = {0};
    struct span path = page_path(files, status);
    struct file_part *part = path.len ? arena_alloc(&r->x->arena, sizeof *part) : NULL;

    if (!part || !find_page(&q, path, &choice))
        return false;
    *part = (struct file_part){.left = choice.size};
    *ret_page = (struct files_page){choice.content_type, choice.size,
                                    files_body_parts(&q, &choice.source, part, 1)};
    return ret_page->body != NULL;
}

void files_fail_errno(const struct files_request *q, int error, const char *reason)
{
    const struct http_field again = {SPAN("retry-after"), SPAN("1")};

    q->r->error = error;
    if (reason)
        q->r->reason = reason;
    switch (-error) {
    case ENOENT:
    case -ERR_NOT_FOUND:
        q->r->error = 0;
        request_fail(q->r, 404, NULL);
        break;
    case EACCES:
    case EPERM:
        q->r->reason = "no permission to read the file";
        request_fail(q->r, 403, NULL);
        break;
    case EMFILE:
    case ENFILE:
    case ENOMEM:
    case EAGAIN:
        q->r->reason = "out of descriptors or memory";
        request_fail_with(q->r, 503, NULL, &again);
        break;
    default:
        q->r->reason = "the file cannot be opened";
        request_fail(q->r, 500, NULL);
        break;
    }
}
