/* Sees when the path of a served folder leads to another folder than before: `current` now links to
 * another release, or the folder was renamed away and a new one took its place. What is served
 * afterwards is reload.c's; within a folder nothing needs to be seen, files are opened anew there.
 *
 * Paths are looked at by name: watches (inotify) would have to follow each link on the way. On the
 * file system of a network that look may wait for another machine, and the guardian must not: there
 * it takes a reload. */
#include <sys/stat.h>

#include "app/folders.h"
#include "app/guardian_state.h"
#include "app/reload.h"
#include "base/mem.h"

#define LOOK_EVERY (500 * NSEC_PER_MSEC)

enum { LOOK_AT_MOST = 1000 /* paths at a time, so that ten thousand sites cost no more CPU */ };

/* A path that leads nowhere at the moment changes nothing: what takes its place comes. */
static bool moved(const struct served_folders *folders, size_t at, const char *path)
{
    struct stat st;

    if (folders->unwatched[at] || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return false;
    return st.st_dev != folders->ids[at].dev || st.st_ino != folders->ids[at].ino;
}

static bool any_moved(struct guardian *g)
{
    const struct served_folders *folders = &g->live->folders;
    size_t wanted, count = folders->count < LOOK_AT_MOST ? folders->count : LOOK_AT_MOST;
    scoped(mem_release) struct settings_folder *settings =
        settings_folders(g->live->prepared.settings, &wanted);

    for (; count > 0; count--, g->folders_at++) {
        if (g->folders_at >= folders->count)
            g->folders_at = 0;
        if (moved(folders, g->folders_at, settings[g->folders_at].files->root))
            return true;
    }
    return false;
}

static void on_look(struct loop_timer *timer, nsec_t now)
{
    struct guardian *g = container_of(timer, struct guardian, folders);

    loop_timer_set(g->loop, timer, now + LOOK_EVERY);
    if (g->phase == PHASE_SERVING && !g->next && !g->prepare.pid && any_moved(g))
        reload_folders(g);
}

void folders_watch(struct guardian *g)
{
    g->folders.on_timeout = on_look;
    loop_timer_set(g->loop, &g->folders, nsec_monotonic() + LOOK_EVERY);
}
