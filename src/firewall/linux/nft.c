/* A libnftables context for each run: none is kept, so none can go stale. */
#include "firewall/linux/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/model/ruleset.h"
#include "os/process.h"

static unsigned flags_of(enum nft_output output)
{
    switch (output) {
    case NFT_JSON:
        return NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_NUMERIC_PROTO;
    case NFT_ECHO:
        return NFT_CTX_OUTPUT_JSON | NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_ECHO;
    case NFT_HANDLES:
        return NFT_CTX_OUTPUT_HANDLE;
    case NFT_TERSE:
        return NFT_CTX_OUTPUT_HANDLE | NFT_CTX_OUTPUT_TERSE;
    default:
        return 0;
    }
}

static int error_of(const char *said)
{
    return strstr(said, "Operation not permitted") || strstr(said, "you must be root") ? -EPERM
                                                                                       : -EINVAL;
}

int nft_run(const char *script, enum nft_output output, char **ret_output, char **ret_error)
{
    struct nft_ctx *nft;
    int r = 0;

    /* The library would say so on standard error, whatever it is told of errors. */
    if (!process_may_administer_network()) {
        if (ret_error)
            *ret_error = mem_string(SPAN("Operation not permitted"));
        return -EPERM;
    }
    nft = nft_ctx_new(NFT_CTX_DEFAULT);
    if (!nft)
        return -ENOMEM;
    nft_ctx_output_set_flags(nft, flags_of(output));
    nft_ctx_set_dry_run(nft, output == NFT_CHECK);
    if (nft_ctx_buffer_output(nft) != 0 || nft_ctx_buffer_error(nft) != 0) {
        nft_ctx_free(nft);
        return -ENOMEM;
    }
    if (nft_run_cmd_from_buffer(nft, script) != 0) {
        const char *said = nft_ctx_get_error_buffer(nft);
        r = error_of(said);
        if (ret_error)
            *ret_error = mem_string(span_str(said));
    } else if (ret_output) {
        *ret_output = mem_string(span_str(nft_ctx_get_output_buffer(nft)));
    }
    nft_ctx_free(nft);
    return r;
}

/* ---- the ruleset as JSON ---- */

/* The array "nftables" of an answer. @return a new reference, or NULL for no whole JSON */
static json_t *array_of(const char *text)
{
    json_t *root = text ? json_loads(text, 0, NULL) : NULL;
    json_t *array = json_object_get(root, "nftables");

    json_incref(json_is_array(array) ? array : NULL);
    json_decref(root);
    return json_is_array(array) ? array : NULL;
}

/* @return false for no whole JSON */
static bool list_into(json_t *all, const char *what)
{
    scoped(mem_release) char *command = mem_format("list %s", what);
    scoped(mem_release) char *text = NULL;
    json_t *array = nft_run(command, NFT_JSON, &text, NULL) < 0 ? NULL : array_of(text);
    bool whole = array && json_array_extend(all, array) == 0;

    json_decref(array);
    return whole;
}

/* The word behind `start` in a line of `nft list ruleset` up to its brace, for free(), or NULL. */
static char *name_in(struct span line, struct span start)
{
    struct span rest = span_from(line, start.len);
    ptrdiff_t brace = span_starts(line, start) ? span_find(rest, '{') : -1;

    return brace < 0 ? NULL : mem_string(span_trim(span_of(rest.ptr, (size_t)brace)));
}

/* libnftables 1.0.6 may break the JSON off at the flags of a table that a program owns.
 * The other tables are listed one by one then, and of that one the chains: its sets stay unseen. */
static json_t *list_in_parts(void)
{
    scoped(mem_release) char *text = NULL;
    scoped(mem_release) char *table = NULL;
    json_t *all = json_array();
    struct span rest, line;
    bool broken = false;

    if (nft_run("list ruleset", NFT_PLAIN, &text, NULL) < 0) {
        json_decref(all);
        return NULL;
    }
    rest = span_str(text);
    while (span_next(&rest, '\n', &line)) {
        scoped(mem_release) char *next = name_in(line, SPAN("table "));
        scoped(mem_release) char *chain = broken ? name_in(line, SPAN("\tchain ")) : NULL;
        if (next) {
            scoped(mem_release) char *what = mem_format("table %s", next);
            free(table);
            table = next;
            next = NULL;
            broken = !strstr(what, " " RULESET_PROBE) && !list_into(all, what);
        } else if (chain) {
            scoped(mem_release) char *what = mem_format("chain %s %s", table, chain);
            bool listed = list_into(all, what);
            (void)listed; /* gone meanwhile */
        }
    }
    return all;
}

/* All tables but those of probes, one by one: those have the flag that libnftables 1.0.6 cannot
 * write as JSON, which may even break its memory. */
static json_t *list_without_probes(const char *tables)
{
    struct span rest = span_str(tables), line;
    json_t *all = json_array();

    while (span_next(&rest, '\n', &line)) {
        scoped(mem_release) char *what = mem_string(line);
        if (!line.len || strstr(what, " " RULESET_PROBE))
            continue;
        if (list_into(all, what))
            continue;
        json_decref(all);
        return NULL;
    }
    return all;
}

int nft_ruleset(json_t **ret_array)
{
    scoped(mem_release) char *tables = NULL;
    scoped(mem_release) char *text = NULL;
    json_t *array = NULL;
    int r = nft_run("list tables", NFT_PLAIN, &tables, NULL);

    if (r < 0)
        return r;
    if (strstr(tables, " " RULESET_PROBE))
        array = list_without_probes(tables);
    else if (nft_run("list ruleset", NFT_JSON, &text, NULL) == 0)
        array = array_of(text);
    if (!array)
        array = list_in_parts();
    if (!array)
        return -EINVAL;
    *ret_array = array;
    return 0;
}
