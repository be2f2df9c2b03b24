/* A libnftables context for each run: none is kept, so none can go stale. */
#include "firewall/nft.h"

#include <errno.h>
#include <nftables/libnftables.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
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

int nft_ruleset(json_t **ret_array)
{
    scoped(mem_release) char *text = NULL;
    int r = nft_run("list ruleset", NFT_JSON, &text, NULL);

    if (r < 0)
        return r;
    json_t *root = json_loads(text, 0, NULL);
    json_t *array = json_object_get(root, "nftables");
    if (json_is_array(array))
        *ret_array = json_incref(array);
    else
        r = -EINVAL;
    json_decref(root);
    return r;
}
