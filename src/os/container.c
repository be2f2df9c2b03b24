/* Names of containers from the paths of control groups, as the engines that people use lay them
 * out. What a container holds is not looked at. */
#include "os/container.h"

#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "base/macros.h"

enum { NAME_SHOWN = 48, ID_LEN = 64, ID_SHOWN = 12 };

/* One part of a path: what stands before and after the name, and what we call its engine. */
struct engine {
    const char *before;
    const char *after;
    const char *word;
    bool id; /* the name is 64 hexadecimal digits */
};

static const struct engine engines[] = {
    {"docker-", ".scope", "docker", true},
    {"libpod-", ".scope", "podman", true},
    {"libpod-", "", "podman", true},
    {"cri-containerd-", ".scope", "kubernetes", true},
    {"crio-", ".scope", "kubernetes", true},
    {"nerdctl-", ".scope", "containerd", true},
    {"systemd-nspawn@", ".service", "nspawn", false},
    {"machine-", ".scope", "machine", false},
    {"lxc.payload.", "", "lxc", false},
};

/* Parts whose next part is the name. */
static const struct engine folders[] = {
    {"docker", "", "docker", true},
    {"lxc", "", "lxc", false},
};

static bool is_id(struct span s)
{
    for (size_t i = 0; i < s.len; i++) {
        char c = s.ptr[i];
        if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f')))
            return false;
    }
    return s.len == ID_LEN;
}

/* The path's text may be anybody's: what a terminal would obey is left out. systemd writes the
 * dashes of a name as \x2d. */
static void say(const struct engine *engine, struct span s, char name[80])
{
    int n = snprintf(name, 80, "%s ", engine->word);
    size_t most = engine->id ? ID_SHOWN : NAME_SHOWN;

    for (size_t shown = 0; s.len && shown < most; shown++) {
        bool dash = span_starts(s, SPAN("\\x2d"));
        name[n++] = dash ? '-' : s.ptr[0] > 0x20 && s.ptr[0] < 0x7f ? s.ptr[0] : '?';
        s = span_from(s, dash ? 4 : 1);
    }
    name[n] = '\0';
}

static bool match(const struct engine *engine, struct span part, char name[80])
{
    struct span before = span_str(engine->before), after = span_str(engine->after);

    if (part.len <= before.len + after.len || !span_starts(part, before) || !span_ends(part, after))
        return false;
    part = span_of(part.ptr + before.len, part.len - before.len - after.len);
    if (engine->id && !is_id(part))
        return false;
    say(engine, part, name);
    return true;
}

static bool name_part(struct span previous, struct span part, char name[80])
{
    for (size_t i = 0; i < ARRAY_SIZE(engines); i++)
        if (match(&engines[i], part, name))
            return true;
    for (size_t i = 0; i < ARRAY_SIZE(folders); i++)
        if (span_equal(previous, span_str(folders[i].before)) && part.len &&
            (!folders[i].id || is_id(part))) {
            say(&folders[i], part, name);
            return true;
        }
    /* Kubernetes without systemd: /kubepods/burstable/pod<uid>/<id>. */
    if (span_starts(previous, SPAN("pod")) && is_id(part)) {
        say(&(struct engine){.word = "kubernetes", .id = true}, part, name);
        return true;
    }
    return false;
}

bool container_name(struct span groups, char name[80])
{
    struct span line;

    name[0] = '\0';
    while (span_next(&groups, '\n', &line)) {
        struct span number, controllers, part, previous = SPAN("");
        /* "0::/system.slice/…": a hierarchy, its controllers, the path. */
        if (!span_next(&line, ':', &number) || !span_next(&line, ':', &controllers))
            continue;
        /* The innermost counts: a container in a container is named by itself. */
        while (span_next(&line, '/', &part)) {
            name_part(previous, part, name);
            previous = part;
        }
        if (name[0])
            return true;
    }
    return false;
}

bool container_of_process(pid_t pid, char name[80])
{
    char path[64], text[4096];

    name[0] = '\0';
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof text);
    close(fd);
    return n > 0 && container_name(span_of(text, (size_t)n), name);
}
