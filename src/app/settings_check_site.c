/* What rows cannot say of a site: folders that are not there, routes that do not fit together,
 * upstream servers that nobody names. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app/settings_check.h"
#include "app/upstreams.h"
#include "base/error.h"
#include "base/mem.h"
#include "os/process.h"

/* ---- folders ---- */

enum { FOLDERS_MAX = 500 };

/* The folder beside one that is not there whose name is nearest to it. @return for free(), or NULL
 */
static char *nearest_folder(const char *path)
{
    struct span all = span_str(path);
    ptrdiff_t slash = span_find_last(all, '/');
    scoped(mem_release) char *parent = mem_string(span_of(path, slash > 0 ? (size_t)slash : 1));
    char *names[FOLDERS_MAX];
    size_t count = 0;
    struct stat st;
    DIR *dir = slash < 0 ? NULL : opendir(parent);

    for (struct dirent *entry; dir && count < FOLDERS_MAX && (entry = readdir(dir));)
        if (entry->d_name[0] != '.' && fstatat(dirfd(dir), entry->d_name, &st, 0) == 0 &&
            S_ISDIR(st.st_mode))
            names[count++] = mem_string(span_str(entry->d_name));
    if (dir)
        closedir(dir);
    const char *name = config_nearest(path + slash + 1, (const char *const *)names, count);
    char *meant = name ? mem_format("%s/%s", slash > 0 ? parent : "", name) : NULL;
    while (count > 0)
        free(names[--count]);
    return meant;
}

/* @param path  where the folder is named */
static void complain_root(const struct check *check, const char *path, const char *root, int error)
{
    struct diag *diag;

    if (error == ENOENT) {
        diag =
            config_complain(check->tree, check->diags, path, "the folder %s does not exist", root);
        scoped(mem_release) char *meant = nearest_folder(root);
        if (meant)
            diag_hint(diag, "did you mean %s? Else make it: mkdir -p %s", meant, root);
        else
            diag_hint(diag, "make it: mkdir -p %s", root);
    } else if (error == ENOTDIR) {
        diag = config_complain(check->tree, check->diags, path, "%s is not a folder", root);
        diag_hint(diag, "name the folder that the file is in");
    } else if (error == EACCES && geteuid() != 0) {
        diag = config_complain(check->tree, check->diags, path, "you may not enter the folder %s",
                               root);
        diag_hint(diag,
                  "let its owner allow you to: setfacl -m u:%u:rx %s; or start gardien as root",
                  (unsigned)geteuid(), root);
    } else if (error == ENOSYS || error == EPERM) {
        diag =
            config_complain(check->tree, check->diags, path,
                            "no file can be opened safely: the system call openat2() is missing");
        diag_hint(diag, "it takes Linux 5.6 or newer and nothing that filters it out, as "
                        "RestrictSUIDSGID= of systemd and old containers do");
    } else if (error == EACCES) {
        const char *user = settings_account(check->settings);
        diag = config_complain(check->tree, check->diags, path,
                               "the account %s, which serves it, may not enter the folder %s", user,
                               root);
        diag_hint(diag, "move it to where %s may read, such as /srv, or: setfacl -m u:%s:rx %s",
                  user, user, root);
    } else {
        config_complain(check->tree, check->diags, path, "the folder %s: %s", root,
                        error_text(-error));
    }
}

static void check_root(const struct check *check, const char *base,
                       const struct files_settings *files)
{
    char path[96];

    if (!files->root)
        return;
    snprintf(path, sizeof path, "%s.root", base);
    int fd = open(files->root, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        complain_root(check, path, files->root, errno);
        return;
    }
    const char *account = settings_account(check->settings);
    bool able = !account || process_may_become_others() == 0; /* else check_account() says so */
    int r = able ? process_user_may_search(account, fd) : 0;
    if (r >= 0)
        r = files_root_check(fd);
    if (r == -EACCES || r == -ENOSYS || r == -EPERM)
        complain_root(check, path, files->root, -r);
    close(fd);
}

/* A page that is not there now may come with the next deploy: a warning. */
static void check_page(const struct check *check, const char *path,
                       const struct files_settings *files, const char *page)
{
    const char *wrong = files_page_wrong(files, page);

    if (wrong)
        diag_hint(diags_warning(check->diags, config_complain(check->tree, check->diags, path,
                                                              "the page %s %s", page, wrong)),
                  "it is looked for beneath %s", files->root);
}

/* @param base  where the folder is described, "sites[0].files" */
static void check_files(const struct check *check, const char *base,
                        const struct files_settings *files)
{
    const struct config_pairs *pages = &files->error_pages;
    char path[256];

    check_root(check, base, files);
    files_check(files, check->tree, base, check->diags);
    snprintf(path, sizeof path, "%s.fallback", base);
    if (!config_has(check->tree, path)) /* it was written beside `files` */
        snprintf(path, sizeof path, "%.*s.fallback", (int)(strlen(base) - strlen(".files")), base);
    if (files->fallback)
        check_page(check, path, files, files->fallback);
    for (size_t i = 0; i < pages->count; i++) {
        snprintf(path, sizeof path, "%s.error_pages.%s", base, pages->items[i].key);
        check_page(check, path, files, pages->items[i].value);
    }
}

/* ---- upstream servers ---- */

static void check_group(const struct check *check, const struct upstream_settings *group)
{
    char path[512];

    for (size_t i = 0; i < group->weights.count; i++) {
        const char *server = group->weights.items[i].key;
        size_t n = 0;
        while (n < group->servers.count && strcmp(group->servers.items[n], server) != 0)
            n++;
        snprintf(path, sizeof path, "upstreams.%s.weights", group->name);
        if (n == group->servers.count)
            config_complain(check->tree, check->diags, path,
                            "\"%s\" has a weight, but is not written so in `servers`", server);
        else if (upstream_weight(group, server) < 0)
            config_complain(check->tree, check->diags, path,
                            "the weight of \"%s\" is not a whole number from 0 to 256", server);
    }
}

void check_groups(const struct check *check)
{
    const struct upstream_settings *groups = check->settings->upstreams.items;

    for (size_t i = 0; i < check->settings->upstreams.count; i++)
        check_group(check, &groups[i]);
}

static void hint_group(const struct check *check, struct diag *diag, const char *name)
{
    const struct upstream_settings *groups = check->settings->upstreams.items;
    const char *names[64];
    size_t count = 0;

    for (; count < check->settings->upstreams.count && count < ARRAY_SIZE(names); count++)
        names[count] = groups[count].name;
    const char *meant = config_nearest(name, names, count);
    if (meant)
        diag_hint(diag, "did you mean \"%s\"?", meant);
    else
        diag_hint(diag, "name it under `upstreams`, or write an address such as 127.0.0.1:3000");
}

static void check_target(const struct check *check, const struct proxy_settings *proxy,
                         const char *path)
{
    if (proxy->to && proxy_target_is_name(proxy->to) && !upstreams_find(check->settings, proxy->to))
        hint_group(check,
                   config_complain(check->tree, check->diags, path,
                                   "there is no \"%s\" under `upstreams`", proxy->to),
                   proxy->to);
}

/* Files and an application answer together: it gets what they do not have. */
static void check_otherwise(const struct check *check, const struct files_settings *files,
                            const char *path)
{
    if (files && files->fallback)
        diag_hint(config_complain(check->tree, check->diags, path,
                                  "`fallback` answers already for what the files do not have"),
                  "take one of the two out");
}

static void check_proxy(const struct check *check, size_t at)
{
    const struct settings_site *site = &settings_sites(check->settings)[at];
    char path[64];

    if (!site->proxy)
        return;
    snprintf(path, sizeof path, "sites[%zu].proxy", at);
    check_otherwise(check, site->files, path);
    check_target(check, site->proxy, path);
}

/* ---- routes ---- */

/* Requests' paths are compared after they were decoded and cleaned up. */
static const char *route_path_wrong(const char *path)
{
    struct span given = span_str(path), resolved;
    struct arena none;
    char nothing[1];

    arena_init(&none, nothing, 0, 0);
    if (strchr(path, '?') || strchr(path, '#'))
        return "has a query or a fragment: only paths are compared";
    if (strchr(path, '%'))
        return "is percent-encoded: write the characters themselves";
    if (http_path_resolve(&none, given, &resolved) < 0)
        return "can match no request: dots, double slashes and control characters are taken out of "
               "paths before they are compared";
    return NULL;
}

static void check_route(const struct check *check, size_t site, size_t at)
{
    const struct settings_site *s = &settings_sites(check->settings)[site];
    const struct settings_route *routes = settings_routes(s), *route = &routes[at];
    int handlers = (route->redirect != NULL) + (route->respond != NULL) + (route->proxy != NULL) +
                   (route->files && !route->proxy);
    char path[96];

    snprintf(path, sizeof path, "sites[%zu].routes[%zu]", site, at);
    if (handlers != 1)
        diag_hint(config_complain(check->tree, check->diags, path, "%s",
                                  handlers ? "a route has one way to answer, this one has several"
                                           : "nothing says what this route answers"),
                  "give it one of: files, proxy, redirect, respond");
    snprintf(path, sizeof path, "sites[%zu].routes[%zu].proxy", site, at);
    if (route->proxy)
        check_target(check, route->proxy, path);
    snprintf(path, sizeof path, "sites[%zu].routes[%zu].files", site, at);
    if (route->files)
        check_files(check, path, route->files);
    if (route->proxy)
        check_otherwise(check, route->files, path);
    snprintf(path, sizeof path, "sites[%zu].routes[%zu].headers", site, at);
    check_headers(check, path, &route->headers);
    snprintf(path, sizeof path, "sites[%zu].routes[%zu].path", site, at);
    if (!route->path || route->path[0] != '/')
        return;
    const char *wrong = route_path_wrong(route->path);
    if (wrong)
        config_complain(check->tree, check->diags, path, "\"%s\" %s", route->path, wrong);
    if ((s->files || s->proxy) && !route->exact && strcmp(route->path, "/") == 0)
        config_complain(check->tree, check->diags, path,
                        "the site's `%s` answers for \"/\" already", s->files ? "files" : "proxy");
    for (size_t i = 0; i < at; i++)
        if (routes[i].path && routes[i].exact == route->exact &&
            strcmp(routes[i].path, route->path) == 0) {
            config_complain(check->tree, check->diags, path, "\"%s\" has a route already",
                            route->path);
            break;
        }
}

/* A site may be there for its redirects alone, so this is a warning. */
static void check_empty(const struct check *check, size_t at)
{
    const struct settings_site *site = &settings_sites(check->settings)[at];
    char path[64];

    snprintf(path, sizeof path, "sites[%zu]", at);
    if (site->files || site->proxy || site->routes.count || site->names.count == 0)
        return;
    diag_hint(
        diags_warning(check->diags,
                      config_complain(check->tree, check->diags, path,
                                      "the site \"%s\" has no `files` or `proxy`: it answers 404",
                                      site->names.items[0])),
        "name the folder to serve, for example files: /srv/www");
}

void check_site(const struct check *check, size_t at)
{
    const struct settings_site *site = &settings_sites(check->settings)[at];
    char path[64];

    snprintf(path, sizeof path, "sites[%zu].headers", at);
    check_headers(check, path, &site->headers);
    snprintf(path, sizeof path, "sites[%zu].files", at);
    if (site->files)
        check_files(check, path, site->files);
    check_proxy(check, at);
    check_empty(check, at);
    for (size_t i = 0; i < site->routes.count; i++)
        check_route(check, at, i);
    snprintf(path, sizeof path, "sites[%zu].fallback", at);
    if (site->fallback && !site->files)
        config_complain(check->tree, check->diags, path,
                        "a fallback needs `files`, where it is looked for");
    else if (site->fallback)
        config_complain(check->tree, check->diags, path,
                        "the fallback is given twice, here and in `files`");
    snprintf(path, sizeof path, "sites[%zu].hsts.preload", at);
    if (site->hsts.preload && !site->hsts.include_subdomains)
        config_complain(check->tree, check->diags, path,
                        "browsers' lists take only sites with include_subdomains");
}
