/* Programs run, files written and removed, on systems that are like Unix. */
#include "firewall/plan/act.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "os/command.h"

#define COMMAND_TIMEOUT (60 * NSEC_PER_SEC)

/* ---- programs ---- */

/* The first line of what a program said, which is the one that tells why. */
static struct span first_line(const struct buffer *output)
{
    struct span rest = buffer_span(output), line = {0};

    while (span_next(&rest, '\n', &line))
        if (span_trim(line).len)
            return span_trim(line);
    return SPAN("it said nothing");
}

static int run_program(const struct plan_action *action, struct diags *diags)
{
    struct command command = {.argv = (const char *const *)action->argv,
                              .timeout = COMMAND_TIMEOUT};
    struct command_result result;
    int r = command_run(&command, &result);

    if (r == -ENOENT && action->lenient)
        return 0;
    if (r < 0) {
        diag_hint(diags_add(diags, "%s cannot be run: %s", action->argv[0], error_text(r)),
                  "is it installed, and may you run it?");
        return r;
    }
    if (result.exit_code != 0 && !action->lenient) {
        struct span line = first_line(&result.output);
        diag_hint(diags_add(diags, "%s failed with exit code %d: %.*s", action->argv[0],
                            result.exit_code, SPAN_ARGS(line)),
                  "run the step by hand, as the plan shows it, to see all that it says");
        r = -EIO;
    }
    command_result_finish(&result);
    return r;
}

/* ---- files ---- */

static int write_all(int fd, struct span content)
{
    while (content.len) {
        ssize_t n = write(fd, content.ptr, content.len);
        if (n < 0 && errno != EINTR)
            return -errno;
        content = span_from(content, n > 0 ? (size_t)n : 0);
    }
    return fsync(fd) < 0 ? -errno : 0;
}

/* Keeps the permissions and the owner of a file that is there. */
static int take_rights(int fd, const char *path, unsigned mode)
{
    struct stat old;

    if (stat(path, &old) < 0)
        return fchmod(fd, mode) < 0 ? -errno : 0;
    if (fchmod(fd, old.st_mode & 07777) < 0 || fchown(fd, old.st_uid, old.st_gid) < 0)
        return -errno;
    return 0;
}

/* A file that is mounted upon cannot be replaced by a rename; it is written in place. */
static int write_in_place(const char *path, struct span content)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);

    if (fd < 0)
        return -errno;
    int r = write_all(fd, content);
    close(fd);
    return r;
}

static int make_parent(const char *path)
{
    scoped(mem_release) char *copy = mem_string(span_str(path));

    return mkdir(dirname(copy), 0755) < 0 && errno != EEXIST ? -errno : 0;
}

static int write_file(const struct plan_action *action)
{
    scoped(mem_release) char *target = realpath(action->path, NULL);
    const char *path = target ? target : action->path;
    scoped(mem_release) char *fresh = mem_format("%s.gardien-%d", path, (int)getpid());
    int r = make_parent(path);
    int fd = r < 0 ? -1 : open(fresh, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        return r < 0 ? r : -errno;
    r = take_rights(fd, path, action->mode);
    if (r >= 0)
        r = write_all(fd, span_str(action->text));
    close(fd);
    if (r >= 0 && rename(fresh, path) == 0)
        return 0;
    if (r >= 0)
        r = errno == EBUSY ? write_in_place(path, span_str(action->text)) : -errno;
    unlink(fresh);
    return r;
}

static int remove_file(const struct plan_action *action)
{
    scoped(mem_release) char *copy = mem_string(span_str(action->path));

    if (unlink(action->path) < 0 && errno != ENOENT)
        return -errno;
    if (action->folder && rmdir(dirname(copy)) < 0 && errno != ENOTEMPTY && errno != EEXIST &&
        errno != ENOENT && errno != EBUSY)
        return -errno;
    return 0;
}

static int change_file(const struct plan_action *action, struct diags *diags)
{
    int r = action->kind == PLAN_WRITE ? write_file(action) : remove_file(action);

    if (r < 0)
        diag_hint(diags_add(diags, "the file %s cannot be %s: %s", action->path,
                            action->kind == PLAN_WRITE ? "written" : "removed", error_text(r)),
                  "see who owns it and whether its file system is writable");
    return r;
}

int act(const struct plan_action *action, struct diags *diags)
{
    switch (action->kind) {
    case PLAN_NOTHING:
        return 0;
    case PLAN_COMMAND:
        return run_program(action, diags);
    case PLAN_WRITE:
    case PLAN_REMOVE:
        return change_file(action, diags);
    case PLAN_NFT:
    case PLAN_UNTAG:
    case PLAN_DBUS:
    case PLAN_SYSTEM:
        break;
    }
    return act_own(action, diags);
}
