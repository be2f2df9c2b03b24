/* Giving up users, capabilities, the file system and one's own memory's visibility, and all steps
 * of a role in their order. */
#include "os/sandbox_roles.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <linux/capability.h>

#include "base/error.h"
#include "base/mem.h"
#include "base/span.h"

#if defined(__SANITIZE_ADDRESS__) || defined(SANDBOX_COVERAGE)
#define INSTRUMENTED true
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define INSTRUMENTED true
#endif
#endif
#ifndef INSTRUMENTED
#define INSTRUMENTED false
#endif

enum { GROUPS_MAX = 64 };

bool sandbox_is_instrumented(void)
{
    return INSTRUMENTED;
}

/* ---- users and capabilities ---- */

static int find_user(const char *name, uid_t *ret_uid, gid_t *ret_gid)
{
    enum { ENTRY_MAX = 65536 };
    scoped(mem_release) char *room = mem_alloc(ENTRY_MAX);
    struct passwd entry, *found;

    int r = getpwnam_r(name, &entry, room, ENTRY_MAX, &found);
    if (r != 0)
        return -r;
    uint64_t number;
    if (!found && span_to_uint(span_str(name), &number) >= 0 && number < UINT32_MAX) {
        *ret_uid = *ret_gid = (uid_t)number; /* a container without accounts */
        return 0;
    }
    if (!found)
        return ERR_NOT_FOUND;
    *ret_uid = entry.pw_uid;
    *ret_gid = entry.pw_gid;
    return 0;
}

/** Without CAP_SETPCAP the bounding set stays, which no_new_privs makes harmless. */
static void drop_bounding_set(void)
{
    for (unsigned long cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
        if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
            return;
}

/** @param kept  bits of the first 32 capabilities that stay, of those that it has */
static int drop_capabilities(uint32_t kept)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct sets[_LINUX_CAPABILITY_U32S_3] = {0};

    if (kept && syscall(SYS_capget, &header, sets) < 0)
        return -errno;
    kept &= sets[0].permitted;
    memset(sets, 0, sizeof sets);
    sets[0].permitted = sets[0].effective = kept;

    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) < 0 && errno != EINVAL)
        return -errno;
    return syscall(SYS_capset, &header, sets) < 0 ? -errno : 0;
}

/** The groups that the account is a member of, but never that of root.
 *  @return how many, or -errno */
static int find_groups(const char *user, gid_t gid, gid_t groups[GROUPS_MAX])
{
    int count = GROUPS_MAX, kept = 0;

    if (getgrouplist(user, gid, groups, &count) < 0)
        return -E2BIG;
    for (int i = 0; i < count; i++)
        if (groups[i] != 0)
            groups[kept++] = groups[i];
    return kept;
}

static int become(const char *user, uid_t uid, gid_t gid, bool with_groups)
{
    gid_t groups[GROUPS_MAX];
    int count = with_groups ? find_groups(user, gid, groups) : 0;

    if (count < 0)
        return count;
    if (setgroups((size_t)count, groups) < 0 || setresgid(gid, gid, gid) < 0 ||
        setresuid(uid, uid, uid) < 0)
        return -errno;
    return 0;
}

/** Tries to come back; that must fail in every way. */
static int check_no_way_back(uid_t uid, gid_t gid)
{
    uid_t uids[3];
    gid_t gids[3];

    if (getresuid(&uids[0], &uids[1], &uids[2]) < 0 || getresgid(&gids[0], &gids[1], &gids[2]) < 0)
        return -errno;
    for (int i = 0; i < 3; i++)
        if (uids[i] != uid || gids[i] != gid)
            return -EPERM;
    if (setresuid((uid_t)-1, 0, (uid_t)-1) == 0 || setuid(0) == 0 ||
        (gid != 0 && setresgid((gid_t)-1, 0, (gid_t)-1) == 0))
        return -EPERM;
    return 0;
}

/** The kernel forgets with a change of credentials that a process shall end with its parent: sets
 * it anew. @return 0, -ESRCH when the parent ended meanwhile, or -errno */
static int still_die_with(pid_t parent, int signal)
{
    if (signal != 0 && prctl(PR_SET_PDEATHSIG, signal, 0, 0, 0) < 0)
        return -errno;
    return signal != 0 && getppid() != parent ? -ESRCH : 0;
}

/** @param kept  as drop_capabilities() */
static int switch_user(const char *user, bool with_groups, uint32_t kept)
{
    pid_t parent = getppid();
    uid_t uid = 0;
    gid_t gid = 0;
    int signal = 0;
    int r = user ? find_user(user, &uid, &gid) : 0;

    if (r == 0 && prctl(PR_GET_PDEATHSIG, &signal, 0, 0, 0) < 0)
        r = -errno;

    if (r < 0)
        return r;
    if (user && uid == 0)
        return -EINVAL;
    drop_bounding_set();
    if (kept && prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0)
        return -errno;
    if (user && geteuid() == 0) {
        r = become(user, uid, gid, with_groups);
    } else if (user) {
        gid = getgid();
        r = getuid() == uid && geteuid() == uid ? 0 : -EPERM;
    }
    if (r == 0)
        r = drop_capabilities(kept);
    if (r == 0 && user)
        r = check_no_way_back(uid, gid);
    if (r == 0 && INSTRUMENTED && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) < 0)
        r = -errno; /* the leak checker traces its own process */
    return r < 0 ? r : still_die_with(parent, signal);
}

int sandbox_switch_user(const char *user)
{
    return switch_user(user, false, 0);
}

int sandbox_hide_memory(void)
{
    const struct rlimit none = {0, 0};

    if (INSTRUMENTED)
        return SANDBOX_SKIPPED;
    if (setrlimit(RLIMIT_CORE, &none) < 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
        return -errno;
    return 0;
}

int sandbox_no_new_privs(void)
{
    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0 ? -errno : 0;
}

/* ---- Landlock ----
 * The kernel's numbers stand here because Debian 12's headers end at version 2 (Linux 5.19). */

enum {
    LL_CREATE_RULESET_VERSION = 1,
    LL_RULE_PATH_BENEATH = 1,
    LL_READ_FILE = 1 << 2,
    LL_READ_DIR = 1 << 3,
    LL_FS_VERSION_1 = (1 << 13) - 1, /* execute, read, write, remove, make */
    LL_FS_REFER = 1 << 13,           /* version 2 */
    LL_FS_TRUNCATE = 1 << 14,        /* version 3 */
    LL_NET_BIND_TCP = 1,             /* version 4 */
    LL_NET_CONNECT_TCP = 2,
    LL_FS_IOCTL_DEV = 1 << 15, /* version 5 */
    LL_SCOPE_ABSTRACT = 1,     /* version 6 */
    LL_SCOPE_SIGNAL = 2,
};

struct ll_ruleset {
    uint64_t handled_fs;
    uint64_t handled_net;
    uint64_t scoped;
};

struct ll_path_beneath {
    uint64_t allowed;
    int32_t parent_fd;
} __attribute__((packed));

/** @return a descriptor, or -errno */
static int create_ruleset(bool connects, bool abstract)
{
    struct ll_ruleset rules = {.handled_fs = LL_FS_VERSION_1};
    size_t size = sizeof rules.handled_fs;
    long version = syscall(SYS_landlock_create_ruleset, NULL, (size_t)0, LL_CREATE_RULESET_VERSION);

    if (version < 0) /* the kernel never says EPERM here, but filters of containers do */
        return errno == EPERM ? -ENOSYS : -errno;
    if (version >= 2)
        rules.handled_fs |= LL_FS_REFER;
    if (version >= 3)
        rules.handled_fs |= LL_FS_TRUNCATE;
    if (version >= 4) {
        rules.handled_net = LL_NET_BIND_TCP | (connects ? 0 : LL_NET_CONNECT_TCP);
        size = offsetof(struct ll_ruleset, scoped);
    }
    if (version >= 5)
        rules.handled_fs |= LL_FS_IOCTL_DEV;
    if (version >= 6) {
        rules.scoped = LL_SCOPE_SIGNAL | (abstract ? 0 : LL_SCOPE_ABSTRACT);
        size = sizeof rules;
    }
    long fd = syscall(SYS_landlock_create_ruleset, &rules, size, 0);
    return fd < 0 ? -errno : (int)fd;
}

static int allow_reading(int ruleset, int fd)
{
    struct ll_path_beneath rule = {.allowed = LL_READ_FILE, .parent_fd = fd};
    struct stat st;

    if (fstat(fd, &st) < 0)
        return -errno;
    if (S_ISDIR(st.st_mode))
        rule.allowed |= LL_READ_DIR;
    return syscall(SYS_landlock_add_rule, ruleset, LL_RULE_PATH_BENEATH, &rule, 0) < 0 ? -errno : 0;
}

/* @param connects  to anybody over TCP; @param abstract  also to abstract Unix sockets of others */
static int restrict_to(const int *directories, size_t count, bool connects, bool abstract)
{
    if (INSTRUMENTED)
        return SANDBOX_SKIPPED;
    int ruleset = create_ruleset(connects, abstract);
    int r = ruleset < 0 ? ruleset : 0;

    for (size_t i = 0; r == 0 && i < count; i++)
        r = allow_reading(ruleset, directories[i]);
    if (r == 0 && syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
        r = -errno;
    if (ruleset >= 0)
        close(ruleset);
    return r;
}

int sandbox_landlock(const int *directories, size_t count)
{
    return restrict_to(directories, count, false, false);
}

int sandbox_landlock_client(const int *directories, size_t count)
{
    return restrict_to(directories, count, true, false);
}

/* ---- all steps of a role ---- */

static int landlock_of(const struct sandbox_rules *rules, const struct sandbox_place *place)
{
    int *fds = mem_alloc((place->folder_count + rules->file_count + 1) * sizeof *fds);
    size_t count = place->folder_count, own = count;

    for (size_t i = 0; i < place->folder_count; i++)
        fds[i] = place->folders[i];
    for (size_t i = 0; i < rules->file_count; i++) {
        fds[count] = open(rules->files[i], O_PATH | O_CLOEXEC);
        count += fds[count] >= 0;
    }
    int r = restrict_to(fds, count, rules->connects, rules->abstract);
    while (count > own)
        close(fds[--count]);
    free(fds);
    return r == -ENOSYS || r == -EOPNOTSUPP ? SANDBOX_NO_LANDLOCK : r;
}

static int limit(const struct sandbox_rules *rules)
{
    for (size_t i = 0; i < rules->limit_count; i++) {
        rlim_t max = rules->limits[i].max;
        if (setrlimit(rules->limits[i].resource, &(struct rlimit){max, max}) < 0)
            return -errno;
    }
    return 0;
}

int sandbox_enter(enum sandbox_role role, const struct sandbox_place *place, const char **ret_step)
{
    const struct sandbox_rules *rules = &sandbox_rules[role];
    uint32_t kept = rules->changes_network ? UINT32_C(1) << CAP_NET_ADMIN : 0;
    int files = 0;

    *ret_step = "become another account (capabilities CAP_SETUID, CAP_SETGID)";
    int r = rules->keeps_account ? 0 : switch_user(place->user, rules->groups, kept);
    if (r >= 0 && rules->hides_memory) {
        *ret_step = "hide its memory";
        r = sandbox_hide_memory();
    }
    if (r >= 0 && !rules->keeps_account) {
        *ret_step = "give up new rights (no_new_privs)";
        r = sandbox_no_new_privs();
    }
    if (r >= 0 && rules->confined) {
        *ret_step = "give up files (Landlock)";
        files = r = landlock_of(rules, place);
    }
    if (r >= 0) {
        *ret_step = "limit itself";
        r = limit(rules);
    }
    if (r >= 0 && rules->confined) {
        *ret_step = "give up system calls (seccomp)";
        r = sandbox_seccomp(role);
    }
    return r < 0 ? r : files == SANDBOX_NO_LANDLOCK ? files : 0;
}
