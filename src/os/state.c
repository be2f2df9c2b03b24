/* The state folder, where the system is like Unix. */
#include "os/state.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/error.h"
#include "base/mem.h"

/* mkdir -p. @return 0, or -errno */
static int make_folders(const char *path)
{
    scoped(mem_release) char *copy = mem_string(span_str(path));

    for (char *c = copy + 1; *c; c++) {
        if (*c != '/')
            continue;
        *c = '\0';
        if (mkdir(copy, 0755) < 0 && errno != EEXIST)
            return -errno;
        *c = '/';
    }
    return mkdir(copy, 0700) < 0 && errno != EEXIST ? -errno : 0;
}

bool state_hint_read_only(struct diag *diag, const char *folder, int error)
{
    if (error != -EROFS || !getenv("INVOCATION_ID")) /* systemd.exec(5): set for services */
        return false;
    diag_hint(diag,
              "its systemd unit keeps most of the system read-only: mkdir -p %s; then `systemctl "
              "edit gardien`, and write two lines: [Service] and ReadWritePaths=%s",
              folder, folder);
    return true;
}

int state_open(const char *path, struct diags *diags)
{
    struct stat st;

    int r = make_folders(path);
    int fd = r < 0 ? r : open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd == -1)
        fd = -errno;
    if (fd < 0) {
        struct diag *diag =
            diags_add(diags, "the state folder %s cannot be used: %s", path, error_text(fd));
        if (!state_hint_read_only(diag, path, fd))
            diag_hint(diag, "name another one with --state DIR");
        return fd;
    }
    if (fstat(fd, &st) < 0 || st.st_uid != geteuid() || (st.st_mode & 022)) {
        bool others = st.st_uid != geteuid();
        diag_hint(diags_add(diags, "the state folder %s is not ours alone to write", path),
                  others
                      ? "it holds the private keys of another user: start gardien as that user, or "
                        "name another folder than %s with --state DIR"
                      : "it holds private keys: chmod 700 %s",
                  path);
        close(fd);
        return -EPERM;
    }
    return fd;
}

char *state_default(void)
{
    const char *xdg = getenv("XDG_STATE_HOME"), *home = getenv("HOME");

    if (geteuid() == 0)
        return mem_string(SPAN(STATE_OF_ROOT));
    if (xdg && xdg[0] == '/')
        return mem_format("%s/gardien", xdg);
    return home && home[0] == '/' ? mem_format("%s/.local/state/gardien", home) : NULL;
}
