/* Sees when the path of a served folder leads to another folder than before: `current` now links to
 * another release, or the folder was renamed away and a new one took its place. What is served
 * afterwards is reload.c's; within a folder nothing needs to be seen, files are opened anew there.
 *
 * Paths are looked at by name: watches (inotify) would have to follow each link on the way. On the
 * file system of a network that look may wait for another machine, and the guardian must not: there
 * it takes a reload. */
#include "app/folders.h"

#include <sys/stat.h>

#include "app/served.h"
#include "app/settings.h"
#include "base/mem.h"

#define LOOK_EVERY (500 * NSEC_PER_MSEC)

enum { PATHS_MAX = 1000 /* at a time, so that ten thousand sites cost no more CPU */ };

/* A path that leads nowhere at the moment changes nothing: what takes its place comes. */
static bool moved(const struct served_folders *folders, size_t at, const char *path)
{
    struct stat st;

    if (folders->unwatched[at] || stat(path, &st) < 0 || !S_ISDIR(st.st_mode))
        return false;
    return st.st_dev != folders->ids[at].dev || st.st_ino != folders->ids[at].ino;
}

static bool any_moved(struct folders_watch *watch, const struct served_folders *folders,
                      const struct settings *settings)
{
    size_t wanted, count = folders->count < PATHS_MAX ? folders->count : PATHS_MAX;
    scoped(mem_release) struct settings_folder *named = settings_folders(settings, &wanted);

    for (; count > 0; count--, watch->at++) {
        if (watch->at >= folders->count)
            watch->at = 0;
        if (moved(folders, watch->at, named[watch->at].files->root))
            return true;
    }
    return false;
}

static void on_look(struct loop_timer *timer, nsec_t now)
{
    struct folders_watch *watch = container_of(timer, struct folders_watch, timer);
    const struct served_folders *folders;
    const struct settings *settings;

    loop_timer_set(watch->loop, timer, now + LOOK_EVERY);
    if (watch->served(watch->context, &folders, &settings) && any_moved(watch, folders, settings))
        watch->on_moved(watch->context);
}

void folders_watch_start(struct folders_watch *watch)
{
    watch->timer.on_timeout = on_look;
    loop_timer_set(watch->loop, &watch->timer, nsec_monotonic() + LOOK_EVERY);
}

void folders_watch_pause(struct folders_watch *watch, nsec_t time)
{
    loop_timer_set(watch->loop, &watch->timer, nsec_monotonic() + time);
}
