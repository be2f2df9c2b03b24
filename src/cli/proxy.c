/* `gardien proxy`: a site whose requests are forwarded, written as settings like those of `serve`.
 */
#include <string.h>

#include "app/app.h"
#include "cli/serve.h"
#include "serve/serve.h"

static int proxy_run(const struct arguments *arguments)
{
    if (arguments->word_count == 0) {
        print_error("for example: gardien proxy app.example.com :3000",
                    "there is no address to forward to");
        return APP_USAGE;
    }
    const char *target = arguments->words[arguments->word_count - 1];
    const char *wrong = upstream_address_check(target);
    if (wrong) {
        print_error("the address comes last, for example: gardien proxy app.example.com :3000",
                    "%s %s", target, wrong);
        return APP_USAGE;
    }
    if (!serve_certificate_fits(arguments))
        return APP_USAGE;
    json_t *site = serve_site(arguments, arguments->words, arguments->word_count - 1);
    json_object_set_new(site, "proxy", json_string(target));
    return serve_one_site(arguments, site);
}

const struct verb proxy_verb = {
    "proxy",
    proxy_run,
    "put HTTPS in front of an application",
    "[NAME...] ADDRESS [OPTION...]",
    "Forwards requests for the host names given (by default localhost) to the application that\n"
    "listens at ADDRESS: host:port, :port of this machine, or unix:/path. Certificates come from\n"
    "gardien's own local CA unless --cert says otherwise, and plain HTTP redirects to HTTPS.\n"
    "Several servers, and more than one site, are written into a settings file; see\n"
    "`upstreams` and `proxy` in gardien(1). It is stopped and told the same things as\n"
    "`gardien serve`.",
    "gardien proxy :3000\n"
    "gardien proxy app.example.com :3000\n"
    "gardien proxy localhost 127.0.0.1:3000 --https :8443\n"
    "gardien proxy app.example.com unix:/run/app.sock\n",
    serve_options + SERVE_OPTIONS_SITE,
    SIZE_MAX};
