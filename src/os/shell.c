/* Words and programs as a shell takes them. */
#include "os/shell.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "os/command.h"
#include "os/self.h"

static bool is_plain(struct span text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = ascii_lower(text.ptr[i]);
        if (!(c >= 'a' && c <= 'z') && !(c >= '0' && c <= '9') && !strchr("%+,-./:=@_", c))
            return false;
    }
    return text.len > 0;
}

char *shell_word(const char *text)
{
    struct span rest = span_str(text);

    if (is_plain(rest))
        return mem_string(rest);
    char *word = mem_alloc(rest.len * 4 + 3);
    char *at = word;
    *at++ = '\'';
    for (; rest.len > 0; rest = span_from(rest, 1)) {
        if (rest.ptr[0] == '\'')
            at = stpcpy(at, "'\\''");
        else
            *at++ = rest.ptr[0];
    }
    *at++ = '\'';
    *at = '\0';
    return word;
}

static bool is_same_file(const char *folder, const struct stat *own)
{
    scoped(mem_release) char *path = mem_format("%s/gardien", folder);
    struct stat st;

    return stat(path, &st) == 0 && st.st_dev == own->st_dev && st.st_ino == own->st_ino;
}

/* Does the first program of that name on the path run this file? */
static bool is_found(const char *folders, const struct stat *own)
{
    struct span rest = span_str(folders), part;

    while (span_next(&rest, ':', &part)) {
        scoped(mem_release) char *folder = mem_string(part);
        scoped(mem_release) char *path = mem_format("%s/gardien", folder);
        if (part.len > 0 && access(path, X_OK) == 0)
            return is_same_file(folder, own);
    }
    return false;
}

char *shell_program(bool root)
{
    static const char secure[] = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
    scoped(mem_release) char *own = self_program();
    const char *path = root ? secure : getenv("PATH");
    struct stat st;

    if (!own || stat(own, &st) < 0 || (path && is_found(path, &st)))
        return mem_string(SPAN("gardien"));
    return shell_word(own);
}

char *shell_as_root(const char *line)
{
    if (command_exists("sudo"))
        return mem_format("sudo %s", line);
    scoped(mem_release) char *word = shell_word(line);
    return mem_format("su -c %s", word);
}
