/* Which coding a file is sent in: a neighbour packed beforehand, one that we compress, or plain.
 * What of it is sent, and whether, is send.c's. */
#include "serve/files/internal.h"

enum { AT_ONCE_MAX = 256 * 1024, /* larger ones would hold up the other connections */ };

static const unsigned plain_bit = 1u << HTTP_CODING_IDENTITY;

/* http_codings_parse() with a memory of one value. */
static void read_codings(const struct files_request *q, struct http_codings *ret_codings)
{
    struct coding_memo *memo = &q->files->memo;
    unsigned bit = 1u << HTTP_ASK_ACCEPT_ENCODING;
    struct span value = {NULL, 0};

    if ((q->asks.present & bit) && !(q->asks.repeated & bit))
        value = q->asks.fields->items[q->asks.first[HTTP_ASK_ACCEPT_ENCODING]].value;
    if (value.len && span_equal(value, span_of(memo->text, memo->len))) {
        *ret_codings = memo->codings;
        return;
    }
    http_codings_parse(&q->asks, ret_codings);
    if (!value.len || value.len > sizeof memo->text)
        return;
    memo->codings = *ret_codings;
    memo->len = (uint8_t)value.len;
    memcpy(memo->text, value.ptr, value.len);
}

static enum http_coding pick(const struct files_request *q, unsigned offered, unsigned favoured)
{
    struct http_codings codings;

    if (offered == plain_bit || !http_asks_for(&q->asks, HTTP_ASK_ACCEPT_ENCODING))
        return HTTP_CODING_IDENTITY;
    read_codings(q, &codings);
    return http_codings_choose(&codings, offered, favoured);
}

/* Parts of what is compressed on the way are never sent: its length and bytes are not known. */
static bool wants_range(const struct files_request *q)
{
    return http_asks_for(&q->asks, HTTP_ASK_RANGE) && q->x->request.method == HTTP_GET;
}

static bool may_compress(const struct files *files)
{
    return files->compressing < (unsigned)files->settings->compress.concurrent;
}

/* Picks until a coding is found whose bytes are at hand, or will be made on the way. */
static enum http_coding pick_variant(const struct files_request *q, struct cached_file *file,
                                     bool *ret_compress)
{
    unsigned ready = file->precompressed | plain_bit;
    unsigned offered = wants_range(q) ? ready : file->offered;
    bool large = file->variants[HTTP_CODING_IDENTITY].size > AT_ONCE_MAX;

    if (large && !may_compress(q->files))
        offered &= ready;
    for (;;) {
        enum http_coding coding = pick(q, offered, file->precompressed);
        if (ready & 1u << coding)
            return coding;
        if (large) {
            *ret_compress = true;
            return coding;
        }
        if (files_ensure_variant(q->files, file, coding))
            return coding;
        offered &= ~(1u << coding);
    }
}

void files_answer_cached(const struct files_request *q, struct cached_file *file)
{
    bool compress = false;
    enum http_coding coding = pick_variant(q, file, &compress);
    const struct cached_variant *variant =
        &file->variants[compress ? HTTP_CODING_IDENTITY : coding];
    struct file_choice choice = {
        .source = {file, variant->bytes, -1},
        .content_type = file->content_type,
        .tags = &file->variants[coding].tags,
        .size = (int64_t)variant->size,
        .coding = coding,
        .compress = compress,
        .vary = file->offered != plain_bit,
        .ranges = (file->precompressed | plain_bit) & 1u << coding,
    };

    files_send(q, &choice);
}

/* Opens the neighbours that the client could take. @return their bits */
static unsigned open_neighbours(const struct files_request *q, const struct file_path *name,
                                const struct file_identity *identity, struct opened_file *found)
{
    struct http_codings codings;
    unsigned bits = 0;

    read_codings(q, &codings);
    for (int coding = HTTP_CODING_GZIP; coding < HTTP_CODINGS; coding++)
        if (codings.q[coding] &&
            files_open_neighbour(q->files, name, identity, (enum http_coding)coding,
                                 &found[coding]) == 0)
            bits |= 1u << coding;
    return bits;
}

void files_answer_opened(const struct files_request *q, struct file_path *name,
                         struct opened_file *file)
{
    const struct media_type *type =
        media_types_find(q->files->types, span_of(name->text, name->len));
    bool neighbours = q->files->settings->precompressed && type->compressible;
    unsigned ours = files_compressible(q->files, type, file->identity.size);
    struct opened_file found[HTTP_CODINGS] = {{.fd = -1}, {.fd = -1}, {.fd = -1}, {.fd = -1}};
    struct file_tags tags, plain_tags;

    unsigned packed = neighbours ? open_neighbours(q, name, &file->identity, found) : 0;
    unsigned offered = plain_bit | packed;
    if (!wants_range(q) && may_compress(q->files))
        offered |= ours;
    enum http_coding coding = pick(q, offered, packed);
    found[HTTP_CODING_IDENTITY] = *file;
    bool compress = !((plain_bit | packed) & 1u << coding);
    struct opened_file *source = &found[compress ? HTTP_CODING_IDENTITY : coding];
    file_tags_make(&source->identity, coding, q->wall, &tags);
    file_tags_make(&file->identity, HTTP_CODING_IDENTITY, q->wall, &plain_tags);
    tags.modified = plain_tags.modified;
    memcpy(tags.last_modified, plain_tags.last_modified, sizeof tags.last_modified);
    struct file_choice choice = {
        .source = {NULL, NULL, source->fd},
        .content_type = files_content_type(type, file),
        .tags = &tags,
        .size = source->identity.size,
        .coding = coding,
        .compress = compress,
        .vary = neighbours || ours,
        .ranges = !compress,
    };
    source->fd = -1;
    for (int i = 0; i < HTTP_CODINGS; i++)
        opened_file_close(&found[i]);
    files_send(q, &choice);
}
