/* The contract of a firewall manager: one row of a table, one file. A manager says from the facts
 * of a machine whether it is in force, and adds the steps to a plan that open or close ports in its
 * own way. It changes nothing itself. */
#pragma once

#include "base/diag.h"
#include "firewall/plan/facts.h"
#include "firewall/plan/plan.h"
#include "os/ports.h"

/** What is wanted. All zero but `ports`: for everybody, on all interfaces. */
struct firewall_request {
    struct ports ports;    /**< close: none means all that gardien opened */
    struct network from;   /**< who may come; family 0: everybody */
    const char *interface; /**< where they come in; NULL: anywhere */
    const char *zone;      /**< of firewalld; NULL: that of the interface, or the default one */
    const char *profile;   /**< of Windows: "domain", "private", "public"; NULL: the first two */
    bool live_only; /**< open: nothing that outlasts a restart; whoever asks asks again then */
    bool force;     /**< close: rules that others made for these ports too */
};

enum presence {
    PRESENCE_ABSENT,
    PRESENCE_IDLE, /**< installed, but it filters nothing now */
    PRESENCE_IN_FORCE,
    PRESENCE_UNKNOWN, /**< could not be told without rights */
};

/** What detect found, for `open`, `status` and JSON. */
struct detection {
    enum presence presence;
    char *sentence; /**< what it was told by: "ENABLED=yes in /etc/ufw/ufw.conf and …"; owned */
};

struct manager {
    const char *name;   /**< as in --on NAME and in JSON: "nftables", "iptables-legacy" */
    const char *system; /**< "linux", "windows", "macos" */
    /** Judges the facts. The sentence is never NULL. */
    void (*detect)(const struct firewall_facts *facts, struct detection *ret_state);
    /** Adds the steps that open what is not open yet, after `detect` said in force, or for facts
     *  with `here` false, which means a machine as it comes. None to add: all is open already.
     *  @return 0; ERR_SETTINGS for a request that it cannot fulfil, told in diags; -errno */
    int (*plan_open)(const struct firewall_facts *facts, const struct firewall_request *request,
                     struct plan *plan, struct diags *diags);
    /** Adds the steps that take back what gardien did for these ports (none: for all), known by its
     * tag `gardien:443/tcp` or, for managers without comments, by facts->done (its steps set
     * `record`); with request->force what others did as well, told as a note each. Also called
     * while not in force, to find what was left behind. */
    int (*plan_close)(const struct firewall_facts *facts, const struct firewall_request *request,
                      struct plan *plan, struct diags *diags);
};

/** Those of this system, in the order in which they are asked; NULL-terminated. */
extern const struct manager *const managers[];
/** Are those of this system's for "linux", "windows", "macos"? */
bool managers_are_of(const char *system);
/** Finds a manager of this or another system by what `--on` takes: "windows", "macos",
 *  "linux-ufw", "ufw"; "linux-iptables" is iptables-nft.
 *  @return the manager, or NULL */
const struct manager *manager_find(const char *name);
/** All that manager_find() takes, for hints: "windows, macos, linux-nftables, …". */
const char *manager_names(void);
/** "in force", "idle", "absent", "unknown" */
const char *presence_name(enum presence presence);

enum { TAG_TEXT = 24 };
/** "gardien:443/tcp", the comment on every rule of ours; yields `out`. */
const char *tag_text(struct port port, char out[TAG_TEXT]);
/** Reads it back. @return false for a comment that is none of ours */
bool tag_parse(const char *comment, struct port *ret_port);

/** Are files to be left as they are, because they are about other rules, or nobody wants it? */
bool leaves_files(const struct firewall_facts *facts, const struct firewall_request *request);

extern const struct manager manager_firewalld;
extern const struct manager manager_ufw;
extern const struct manager manager_nftables;
extern const struct manager manager_iptables_nft;
extern const struct manager manager_iptables_legacy;
extern const struct manager manager_windows;
extern const struct manager manager_pf;
