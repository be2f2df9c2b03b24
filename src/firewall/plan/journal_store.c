/* firewall.json: read whole, changed, replaced by a rename. Who holds the folder's lock is the
 * callers' business. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "firewall/plan/journal.h"

enum { DONE_MAX = 4096 }; /* entries; 64 ports of each manager are far fewer */

static char *file_in(const char *state)
{
    return mem_format("%s/firewall.json", state);
}

json_t *journal_load(const char *state)
{
    scoped(mem_release) char *path = state ? file_in(state) : NULL;
    struct stat st;
    json_t *root = NULL, *list = NULL;

    if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size < 1024 * 1024)
        root = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
    list = json_object_get(root, "done");
    list =
        json_is_array(list) && json_array_size(list) <= DONE_MAX ? json_incref(list) : json_array();
    json_decref(root);
    return list;
}

static void forget(json_t *list, const char *manager, const char *port)
{
    for (size_t i = json_array_size(list); i-- > 0;)
        if (journal_is_of(json_array_get(list, i), manager, port))
            json_array_remove(list, i);
}

static void enter(json_t *list, const struct plan_step *step, bool undone)
{
    bool there = (step->record.what == PLAN_RECORD_OPENED) != undone;
    const char *detail = step->record.detail;
    char port[PORT_TEXT];

    if (step->record.what == PLAN_RECORD_NONE)
        return;
    port_text(step->record.port, port);
    forget(list, step->manager, port);
    if (!there && undone && step->record.before) {
        there = true;
        detail = step->record.before;
    }
    if (there)
        json_array_append_new(list, json_pack("{s:s, s:s, s:s*}", "manager", step->manager, "port",
                                              port, "detail", detail));
}

/* What the name leads to after a crash is one of the two, whole. */
static int write_whole(const char *path, const json_t *root)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), r = 0;

    if (fd < 0)
        return -errno;
    errno = 0;
    if (json_dumpfd(root, fd, JSON_INDENT(2)) < 0 || fsync(fd) < 0)
        r = errno ? -errno : -EIO;
    close(fd);
    return r;
}

static int save(const char *path, json_t *list)
{
    scoped(mem_release) char *fresh = mem_format("%s.new", path);
    json_t *root = json_pack("{s:O}", "done", list);
    int r = 0;

    if (json_array_size(list) == 0)
        r = unlink(path) < 0 && errno != ENOENT ? -errno : 0;
    else if ((r = write_whole(fresh, root)) >= 0)
        r = rename(fresh, path) < 0 ? -errno : 0;
    if (r < 0)
        unlink(fresh);
    json_decref(root);
    return r;
}

int journal_record(const char *state, const struct plan *plan, bool undone, struct diags *diags)
{
    scoped(mem_release) char *path = file_in(state);
    json_t *list = journal_load(state);
    bool any = false;

    for (size_t i = 0; i < plan->count; i++) {
        any = any || plan->items[i].record.what != PLAN_RECORD_NONE;
        enter(list, &plan->items[i], undone);
    }
    int r = any ? save(path, list) : 0;
    json_decref(list);
    if (r < 0)
        diag_hint(diags_add(diags, "%s cannot be written: %s", path, error_text(r)),
                  "see whether the state folder can be written and has room; without it "
                  "`gardien close` may not know what is its own");
    return r;
}
