/* What is found of macOS' two firewalls: pf, and the application firewall. Which steps follow is
 * pf.c's business. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "base/span.h"
#include "os/ports.h"

/** A switch that may not be readable. */
enum pf_state { PF_UNKNOWN, PF_OFF, PF_ON };

/** A program as the application firewall sees it. */
struct pf_program {
    char *path;
    struct ports ports;   /**< that it listens on; PORTS_MAX at most */
    enum pf_state let_in; /**< is it listed and let in (ON), or not listed (OFF)? */
    bool blocked;         /**< it is listed and not let in */
};

enum { PF_PROGRAMS_MAX = 32 };

/** All zero: nothing is known, as of another machine. */
struct pf {
    bool there;         /**< pfctl is */
    enum pf_state on;   /**< is pf switched on? */
    char *rules;        /**< the file with our rules; NULL: none */
    char *daemon;       /**< the file by which launchd loads them; NULL: none */
    bool token;         /**< the token that keeps pf on is kept */
    char *loaded;       /**< our anchor's rules in the kernel, by pfctl; NULL: not to be seen */
    enum pf_state call; /**< does pf.conf call the anchors below com.apple? */
    char *self;         /**< path of this program; NULL: that of an installed one */
    struct pf_program *programs; /**< those that listen, and this one */
    size_t program_count;
    struct {
        enum pf_state on, blocks_all; /**< the second: whatever is allowed */
    } application;
};

void pf_finish(struct pf *pf);
/** Gathers the facts of this machine. @param root  prefix of the paths; "" for none */
void pf_take(struct pf *ret_pf, const char *root);

struct firewall_request;
struct findings;
/** Judges by what was read back whether the ports of a request are let in.
 *  @return how many are not; what could not be told does not count */
size_t pf_judge(const struct pf *pf, const struct firewall_request *request,
                struct findings *findings);
/** Is a line of such a text more than blank or a comment? */
bool pf_is_rule(struct span line);
/** The port that a rule of ours is for, by its label. @return false for a rule of others */
bool pf_rule_port(struct span line, struct port *ret_port);
/** Does the text of our file or of the anchor hold a rule of ours? @param family  4 or 6 */
bool pf_has_rule(const char *text, struct port port, int family);

/* What the system's programs say, read. */
enum pf_state pf_read_info(const char *text);   /**< pfctl -s info */
enum pf_state pf_read_global(const char *text); /**< socketfilterfw --getglobalstate */
enum pf_state pf_read_block_all(const char *text, const char *global); /**< --getblockall */
enum pf_state pf_read_program(const char *text, bool *ret_blocked);    /**< --getappblocked */
/** Does a pf.conf call the anchors below com.apple? */
enum pf_state pf_read_conf(const char *text);

/** The processes in what `lsof -F pPn` says, as a list for ps: "12,345"; at most 64.
 *  @return for free(), or NULL for none */
char *pf_listener_ids(const char *lsof);
/** Adds the programs that listen, and their ports, to pf->programs.
 *  @param ps  what `ps -o pid=,comm=` says of them */
void pf_read_listeners(const char *lsof, const char *ps, struct pf *pf);
/** Adds a program unless it is there, or there are too many.
 *  @return it, or NULL */
struct pf_program *pf_add_program(struct pf *pf, struct span path);

#define PF_ANCHOR "com.apple/gardien"
#define PF_RULES "/etc/pf.anchors/gardien"
#define PF_TOKEN "/var/db/gardien.pf-token"
#define PF_LABEL "io.gardien.pf"
#define PF_DAEMON "/Library/LaunchDaemons/" PF_LABEL ".plist"
#define PF_PFCTL "/sbin/pfctl"
#define PF_SOCKETFILTERFW "/usr/libexec/ApplicationFirewall/socketfilterfw"
