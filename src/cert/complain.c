/* Turns error values of file access into sentences and fixes. What a file's content is worth is
 * said where it is judged. */
#include "cert/complain.h"

#include <errno.h>
#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"
#include "cert/info.h"
#include "os/state.h"

static void hint_access(struct diag *diag, const char *path)
{
    const struct passwd *user = getpwuid(geteuid());

    if (user)
        diag_hint(diag,
                  "gardien runs as %s here: start it as root, or let %s read the file "
                  "(setfacl -m u:%s:r %s) and enter its folders",
                  user->pw_name, user->pw_name, user->pw_name, path);
    else
        diag_hint(diag, "start gardien as root, or let uid %ld read the file and enter its folders",
                  (long)geteuid());
}

void complain_file(struct diags *diags, const char *what, const char *path, int error)
{
    if (error == -ENOENT)
        diag_hint(diags_add(diags, "the %s file %s does not exist", what, path),
                  "check the path; in a settings file a relative one starts at the file's folder");
    else if (error == -EACCES || error == -EPERM)
        hint_access(diags_add(diags, "the %s file %s may not be read by us", what, path), path);
    else if (error == -EINVAL)
        diag_hint(diags_add(diags, "%s is no ordinary file", path),
                  "name the %s file itself, in PEM form", what);
    else if (error == ERR_LIMIT)
        diag_hint(diags_add(diags, "the %s file %s is larger than %d KiB", what, path,
                            CERT_FILE_MAX / 1024),
                  "is it the right file?");
    else
        diags_add(diags, "the %s file %s cannot be read: %s", what, path, error_text(error));
}

static void hint_denied(struct diag *diag, const char *state, int error)
{
    if (!state_hint_read_only(diag, state, error))
        diag_hint(diag,
                  "start gardien as the owner of %s, or choose another folder with --state DIR",
                  state);
}

void complain_state(struct diags *diags, const char *state, const char *name, int error)
{
    scoped(mem_release) char *path =
        *name ? mem_format("%s/%s", state, name) : mem_string(span_str(state));

    if (error == ERR_TIMEOUT)
        diag_hint(diags_add(diags, "another gardien has held the lock of %s for ten seconds", path),
                  "see whether one hangs: ps -C gardien");
    else if (error == -EPERM)
        diag_hint(diags_add(diags, "%s must belong to us and be closed to others", path),
                  "chown %ld %s; chmod go= %s", (long)geteuid(), path, path);
    else if (error == -EACCES || error == -EROFS)
        hint_denied(diags_add(diags, "%s cannot be used by us: %s", path, error_text(error)), state,
                    error);
    else if (error == -ENOSPC || error == -EDQUOT)
        diag_hint(diags_add(diags, "%s cannot be written: %s", path, error_text(error)),
                  "make room, or choose another folder with --state DIR");
    else
        diags_add(diags, "%s cannot be used: %s", path, error_text(error));
}
