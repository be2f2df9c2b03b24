/* The words of `protect:` that hold for all sites, a site or a route, and how they are merged. */
#include "protect/rules.h"

#include "base/span.h"

const char *const protect_modes[] = {"inherit", "off", "watch", "on", NULL};
const char *const protect_headers_words[] = {"inherit", "off", "basic", "strict", NULL};

const char protect_help_secrets[] =
    "paths that lead to what nobody publishes on purpose: version control (.git), settings with "
    "passwords (.env, .htpasswd, .aws), backups and editors' files (config.php.bak, index.html~, "
    ".swp), database dumps near the root, WEB-INF, server-status, actuator, heap dumps; on answers "
    "404, watch only logs. By default on, for files and for what is forwarded";
const char protect_help_cross_origin[] =
    "requests that change something (not GET, HEAD, OPTIONS) and that a page of another origin "
    "made "
    "a browser send, by Sec-Fetch-Site and Origin: watch logs them, on refuses them with 403. By "
    "default watch where requests are forwarded, else off";
const char protect_help_cross_origin_allow[] =
    "origins whose pages may send such requests, as browsers write them in Origin";
const char protect_help_cross_origin_exempt[] =
    "paths, with all that lies beneath, where pages of every origin may send such requests";
const char protect_help_cookies[] =
    "Set-Cookie of applications gets what it lacks: Secure (over HTTPS), HttpOnly (not for names "
    "with csrf or xsrf, which scripts read) and SameSite=Lax; watch only logs. By default off";
const char protect_help_security_headers[] =
    "fields that tell browsers to be careful, where the answer does not have them: basic "
    "(Referrer-Policy, X-Frame-Options: SAMEORIGIN, Cross-Origin-Opener-Policy) suits nearly every "
    "site; strict adds a Content-Security-Policy that loads from the own origin only, forbids "
    "frames, camera, microphone and place, and keeps resources to the origin. By default off";

const char protect_help_allow[] =
    "addresses and networks that alone may ask; all others get 403. Behind `trusted_proxies` the "
    "address is the one that they name. By default all may";
const char protect_help_deny[] =
    "addresses and networks that get 403, also where `allow` lists them; to keep them from "
    "connecting at all, see `bans`";
const char protect_help_rates[] =
    "how often clients may ask, counted over all workers; those of all sites, of the site and of "
    "the "
    "route all count. Whoever asks more often gets 429 with Retry-After; what is refused is not "
    "counted";
const char protect_help_malware[] =
    "bodies of requests, and each part of those that are multipart, are looked at by clamd before "
    "anybody gets them: on refuses with 403 what it finds, watch only logs; `clamd` says where it "
    "is and what happens when it does not answer. By default off";
const char protect_help_login_failed[] = "the status that tells that a login failed, which "
                                         "`bans.logins` counts; give it to the route of "
                                         "the login. 0 is as around it, or none";
const char protect_help_rate_mode[] =
    "whether `rates` refuse (on, the default), only log (watch), or are not asked (off)";

bool protect_path_beneath(struct span path, struct span base)
{
    return path.ptr && base.len && span_starts(path, base) &&
           (base.ptr[base.len - 1] == '/' || path.len == base.len || path.ptr[base.len] == '/');
}

const char *protect_origin_check(const char *text)
{
    struct span s = span_str(text);

    if (span_starts(s, SPAN("https://")))
        s = span_from(s, 8);
    else if (span_starts(s, SPAN("http://")))
        s = span_from(s, 7);
    else
        return "is no origin: it begins with https:// or http://";
    if (s.len == 0 || span_find(s, '/') >= 0)
        return "is no origin: scheme, host and maybe a port, without a path or a final slash";
    for (size_t i = 0; i < s.len; i++)
        if (s.ptr[i] >= 'A' && s.ptr[i] <= 'Z')
            return "is no origin as browsers write it: letters are lower case";
    return NULL;
}

const char *protect_path_check(const char *text)
{
    return text[0] == '/' ? NULL : "does not begin with a slash";
}

static void override(int *value, int own)
{
    if (own != PROTECT_INHERIT)
        *value = own;
}

void protect_rules_merge(const struct protect_rules_settings *const *levels, size_t count,
                         bool proxied, struct protect_rules *ret_rules)
{
    static const struct config_strings none;
    int secrets = PROTECT_ON, cross_origin = proxied ? PROTECT_WATCH : PROTECT_OFF;
    int cookies = PROTECT_OFF, headers = PROTECT_HEADERS_OFF, rate_mode = PROTECT_ON;
    int malware = PROTECT_OFF;

    ret_rules->cross_origin_allow = ret_rules->cross_origin_exempt = &none;
    ret_rules->allow = ret_rules->deny = NULL;
    ret_rules->login_failed = 0;
    for (size_t i = 0; i < count; i++) {
        const struct protect_rules_settings *own = levels[i];
        if (!own)
            continue;
        override(&secrets, own->secrets);
        override(&cross_origin, own->cross_origin);
        override(&cookies, own->cookies);
        override(&headers, own->security_headers);
        override(&rate_mode, own->rate_mode);
        override(&malware, own->malware);
        override(&ret_rules->login_failed, (int)own->login_failed);
        if (own->allow.count)
            ret_rules->allow = &own->allow;
        if (own->deny.count)
            ret_rules->deny = &own->deny;
        if (own->cross_origin_allow.count)
            ret_rules->cross_origin_allow = &own->cross_origin_allow;
        if (own->cross_origin_exempt.count)
            ret_rules->cross_origin_exempt = &own->cross_origin_exempt;
    }
    ret_rules->secrets = (enum protect_mode)secrets;
    ret_rules->cross_origin = (enum protect_mode)cross_origin;
    ret_rules->cookies = (enum protect_mode)cookies;
    ret_rules->malware = (enum protect_mode)malware;
    ret_rules->rate_mode = (enum protect_mode)rate_mode;
    ret_rules->security_headers = (enum protect_headers)headers;
}
