/* `gardien cert local`: a certificate of the local CA, for other servers too. */
#include <stdlib.h>
#include <unistd.h>

#include "app/app.h"
#include "base/mem.h"
#include "cert/cert.h"
#include "cli/cert.h"
#include "os/clock.h"
#include "os/state.h"

static void tell(const struct arguments *arguments, const char *state, const char *main_name,
                 const struct cert_local *local)
{
    static const char *const outcomes[] = {
        [CERT_LOCAL_KEPT] = "kept", [CERT_LOCAL_MADE] = "made", [CERT_LOCAL_RENEWED] = "renewed"};
    scoped(mem_release) char *chain = cert_local_path(main_name, CERT_LOCAL_CHAIN);
    scoped(mem_release) char *key = cert_local_path(main_name, CERT_LOCAL_KEY);
    scoped(mem_release) char *chain_path = mem_format("%s/%s", state, chain);
    scoped(mem_release) char *key_path = mem_format("%s/%s", state, key);
    char until[CERT_DATE_TEXT], renew[CERT_DATE_TEXT];

    cert_date_text(local->not_after, until);
    cert_date_text(local->renew_at, renew);
    if (arguments_get(arguments, "json")) {
        print_json(json_pack("{s:s, s:s, s:s, s:s, s:s}", "outcome", outcomes[local->leaf], "chain",
                             chain_path, "key", key_path, "not_after", until, "renew_at", renew));
        return;
    }
    print_escaped(stdout, "%s, good until %s\n  certificate  %s\n  key          %s\n",
                  outcomes[local->leaf], until, chain_path, key_path);
    printf("Run this again after %s for the next one; programs that connect must trust the local "
           "CA: gardien cert trust\n",
           renew);
}

int cert_local(const struct arguments *arguments, const char *state)
{
    struct diags diags = {0};
    struct cert_local local = {0};
    int fd = state_open(state, &diags);
    const struct cert_local_request request = {.state_fd = fd,
                                               .state_path = state,
                                               .names = arguments->words + 1,
                                               .name_count = arguments->word_count - 1,
                                               .now = nsec_realtime(),
                                               .clock_right = clock_is_synchronised()};

    int r = fd < 0 ? fd : cert_local_ensure(&request, &diags, &local);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    if (r >= 0)
        tell(arguments, state, arguments->words[1], &local);
    cert_local_finish(&local);
    if (fd >= 0)
        close(fd);
    return r < 0 ? APP_FAILED : APP_OK;
}
