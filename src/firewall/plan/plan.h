/* A plan: the steps that open or close ports, as data. It can be printed for a person or a program,
 * be made for another machine, and be carried out by apply.h. Which steps are right is the
 * managers' business. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "base/span.h"
#include "firewall/windows/policy.h"
#include "os/ports.h"
#include "report/finding.h"

struct buffer;
struct printer;

enum plan_kind {
    PLAN_NOTHING, /**< as an undo: there is nothing to take back */
    PLAN_COMMAND, /**< runs a program */
    PLAN_NFT,     /**< a script for libnftables, in the language of nft(8) */
    PLAN_UNTAG,   /**< deletes nft rules by their comments: argv is FAMILY TABLE CHAIN TAG... */
    PLAN_WRITE,   /**< writes a file whole */
    PLAN_REMOVE,  /**< removes a file that may be gone already */
    PLAN_DBUS,    /**< calls a method on the system bus */
    PLAN_SYSTEM,  /**< calls the system's own interface: Windows Firewall by INetFwPolicy2 */
};

enum { PLAN_STEPS_MAX = 1024 };

/** What is done. Which members count depends on the kind; all strings are owned. */
struct plan_action {
    enum plan_kind kind;
    char **argv;   /**< COMMAND, UNTAG: NULL-terminated */
    char *text;    /**< NFT: the script; WRITE: the content */
    char *path;    /**< WRITE, REMOVE */
    unsigned mode; /**< WRITE: permissions of a new file */
    bool folder;   /**< REMOVE: the folder that holds it too, when it is empty then */
    bool lenient;  /**< COMMAND, DBUS: any answer counts as done, to undo what may be gone */
    struct {
        char *service, *path, *interface, *method;
        char *types; /**< a letter for each argument: s, i, u, b (sd_bus_message_append_basic(3)) */
        char **args; /**< NULL-terminated, numbers in decimal, "true" or "false" */
        char *fine;  /**< the name of an error that means "is so already"; may be NULL */
    } dbus;
    struct policy_order policy; /**< SYSTEM; the rule is owned */
};

/** What is entered into the state folder once the step is done; see journal.h. */
enum plan_record { PLAN_RECORD_NONE, PLAN_RECORD_OPENED, PLAN_RECORD_CLOSED };

struct plan_step {
    const char *manager; /**< name of the one who planned it; a literal */
    struct plan_action action;
    struct plan_action undo;
    bool undo_last; /**< the undo runs after those of all other steps: it saves their outcome */
    struct {
        enum plan_record what;
        struct port port;
        char *detail; /**< owned; what the undo needs to know: a zone; may be NULL */
        char *before; /**< owned; OPENED: the detail that was entered before; NULL: none was */
    } record;
    char *reason;  /**< why, a sentence without full stop */
    char *typed;   /**< what a person would type to do the same; may have several lines */
    char *untyped; /**< the same for the undo; NULL for none */
};

/** All zero is empty. */
struct plan {
    struct plan_step *items;
    size_t count;
    struct findings notes; /**< what the person should know beside the steps */
};

/** Adds a step that does nothing yet; valid until the next is added.
 *  @param manager  a literal
 *  @param reason   a sentence */
struct plan_step *plan_add(struct plan *plan, const char *manager, const char *reason, ...)
    printf_like(3, 4);
/** Makes the action run a program. The last argument is NULL. */
void plan_command(struct plan_action *action, const char *program, ...) __attribute__((sentinel));
/** The same from an array, which is copied. */
void plan_command_array(struct plan_action *action, const char *const *argv);
void plan_nft(struct plan_action *action, const char *script, ...) printf_like(2, 3);
void plan_write(struct plan_action *action, const char *path, struct span content, unsigned mode);
void plan_remove(struct plan_action *action, const char *path);
/** Makes the action an order to the Windows Firewall. The rule is copied. */
void plan_policy(struct plan_action *action, enum policy_verb verb, const struct policy_rule *rule);
/** Adds a word to a command line, quoted for a shell where it has to be. */
void plan_quote(struct buffer *out, const char *word);
/** Sets what a person would type, from the actions, where it is not set yet: command lines quoted
 *  for a shell, scripts for `nft -f -`, files as `tee`. */
void plan_spell(struct plan_step *step);
/** Turns a plan into the one that takes it back: the undos, the last first, but for those that are
 *  to run last. Steps without one go, and so do the notes. */
void plan_reverse(struct plan *plan);
void plan_finish(struct plan *plan);

/** Prints the steps in order, each with its reason, and the notes. */
void plan_print(const struct printer *printer, const struct plan *plan);
/** {"steps": [{manager, kind, reason, typed, undo?}], "notes": [...]}; a new reference. */
json_t *plan_json(const struct plan *plan);
