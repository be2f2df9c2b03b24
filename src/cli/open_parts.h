/* One run of `gardien open` or `close`, and what of it differs by system: open_linux.c,
 * open_posix.c, open_windows.c. */
#pragma once

#include "cli/cli.h"
#include "firewall/firewall.h"
#include "report/printer.h"

/* One run of either verb. */
struct change {
    const struct arguments *arguments;
    bool opens, json, dry;
    const struct manager *elsewhere; /* --on; NULL: this machine */
    char *state;
    struct firewall_request request;
    nsec_t confirm; /* 0: not wanted */
    struct firewall_facts facts;
    struct opening_plan planned;
    struct findings proof;
    bool applied;
    json_t *router; /* what a home router answered, for --json */
    size_t closed;  /* ports that the proof finds closed */
};

int open_run(const struct arguments *arguments);
int close_run(const struct arguments *arguments);

/** Before all else: the state folder, and --confirmed.
 *  @return whether there is more to do; if not, an enum app_exit */
bool change_begin(struct change *c, int *ret_code);
/** Refuses what this system does not have. @return 0, or ERR_SYNTAX told in diags */
must_check int change_check(struct change *c, struct diags *diags);
/** Takes the lock, so that no two plan from the same facts and both add; and waits for nothing that
 *  an earlier run may still take back.
 *  @return a lock for opening_unlock(), or a negative error told in diags */
must_check int change_lock(const struct change *c, struct diags *diags);
/** Refuses to go on while an earlier --confirm may still take back what it did.
 *  @return the lock, or -EBUSY told in diags, and the lock is given up */
must_check int change_wait_for_none(int lock, const char *state, struct diags *diags);
/** Adds to the notes of a plan what the planners could not know. */
void change_note(struct change *c);
/** Carries the plan out, with --confirm where it was asked for. @return an enum app_exit */
int change_apply(struct change *c, struct diags *diags);
/** What remains to be done once the ports are open or closed: the router, ...
 *  @return an enum app_exit */
int change_settle(struct change *c, struct diags *diags);
/** What more there is to say of the machine, for people, or as members of the answer. */
void change_print_more(const struct change *c, const struct printer *printer);
void change_json_more(const struct change *c, json_t *answer);

/** Says that the plan takes other rights, and how to get them. @return an enum app_exit */
int change_lacks_rights(const struct change *c);

/** The command line as it was given, for a shell. @return for free() */
char *change_command_line(void);

/** What the verbs' rows share, which open_linux.c and its like put together. */
#define OPEN_USAGE "[PORT[-PORT][/tcp|/udp]...] [OPTION...]"
#define OPEN_SUMMARY "open ports in the firewall that is in force"
#define OPEN_FIRST                                                                                 \
    "Opens the PORTs (by default 80/tcp, 443/tcp and 443/udp) for good: it finds out which\n"      \
    "firewall is in force, shows the steps in order with the reason for each, asks, carries "      \
    "them\n"                                                                                       \
    "out, and "
#define OPEN_EXITS                                                                                 \
    "0 the ports are open, or the plan was shown; 1 they are not; 2 the command line is wrong, "   \
    "or\n"                                                                                         \
    "nobody could agree to the plan"
#define CLOSE_SUMMARY "take back what gardien opened"
#define CLOSE_EXITS                                                                                \
    "0 done, or there was nothing to do; 1 failed; 2 the command line is wrong, or nobody could\n" \
    "agree to the plan"
#define OPEN_OPTION_FROM                                                                           \
    {                                                                                              \
        "from", "CIDR", false, "only for these addresses: 192.0.2.0/24, 2001:db8::/32"             \
    }
#define OPEN_OPTION_INTERFACE                                                                      \
    {                                                                                              \
        "interface", "NAME", false, "only for what comes in here"                                  \
    }
#define OPEN_OPTION_ZONE                                                                           \
    {                                                                                              \
        "zone", "NAME", false, "firewalld: in this zone"                                           \
    }
#define OPEN_OPTION_ON                                                                             \
    {                                                                                              \
        "on", "SYSTEM", false,                                                                     \
            "print the plan and the commands for another machine: windows, macos, "                \
            "linux-nftables, linux-iptables, linux-iptables-legacy, linux-ufw, linux-firewalld"    \
    }
#define OPEN_OPTION_PROFILE                                                                        \
    {                                                                                              \
        "profile", "NAMES", false,                                                                 \
            "Windows: on networks of these profiles (default: domain,private); public too is for " \
            "machines on unknown networks"                                                         \
    }
#define OPEN_OPTION_DRY_RUN                                                                        \
    {                                                                                              \
        "dry-run", NULL, false, "show the plan and change nothing", "-n"                           \
    }
#define OPEN_OPTION_YES                                                                            \
    {                                                                                              \
        "yes", NULL, false, "do not ask", "-y"                                                     \
    }
#define OPEN_OPTION_CONFIRM                                                                        \
    {                                                                                              \
        "confirm", "TIME", false, "take it back after TIME (60s, 5m) unless confirmed"             \
    }
#define OPEN_OPTION_CONFIRMED                                                                      \
    {                                                                                              \
        "confirmed", NULL, false, "confirm what an earlier --confirm opened"                       \
    }
#define CLOSE_OPTION_FORCE                                                                         \
    {                                                                                              \
        "force", NULL, false, "rules that others made for the named ports too"                     \
    }
#define CLOSE_OPTION_ON                                                                            \
    {                                                                                              \
        "on", "SYSTEM", false, "print the commands for another machine, as of open"                \
    }
