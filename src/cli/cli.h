/* Verbs of the command line: one row of the table each, one file each. */
#pragma once

#include "base/exit.h"
#include "base/nsec.h"
#include "cli/arguments.h"
#include "cli/print.h"

struct verb {
    const char *name;
    /** @return an enum app_exit */
    int (*run)(const struct arguments *arguments);
    const char *summary;  /**< one line */
    const char *usage;    /**< after the verb */
    const char *details;  /**< paragraphs; may be NULL */
    const char *examples; /**< lines, each with its newline */
    const struct option *options;
    size_t words_max;  /**< besides options; one more is a mistake */
    const char *exits; /**< its exit codes; NULL: those that most verbs share */
    const char *words; /**< for completion: what may follow, between spaces; FILE, FOLDER and VERB
                            stand for such; may be NULL */
};

/** All verbs of this system; NULL-terminated. */
extern const struct verb *const verbs[];
/** What the program is good for here, as a sentence's end; how to begin, a sentence. */
extern const char verbs_about[], verbs_first[];
/** The whole command line, for a program that starts itself anew. */
char *const *cli_argv(void);

/** @return the verb, or NULL */
const struct verb *verb_find(const char *name);
/** The verb nearest to a word that is none, or NULL. */
const char *verb_nearest(const char *word);
void help_print(FILE *out);
void help_print_verb(FILE *out, const struct verb *verb);
/** Print the completion scripts of three shells. */
void completion_print_bash(FILE *out);
void completion_print_fish(FILE *out);
void completion_print_zsh(FILE *out);

/** Options that say which gardien is meant. */
#define OPTION_STATE                                                                               \
    {                                                                                              \
        "state", "DIR", false,                                                                     \
            "state folder (default: /var/lib/gardien as root, else that of the XDG standard)"      \
    }
#define OPTION_CONFIG                                                                              \
    {                                                                                              \
        "config", "FILE", false, "settings file that names the state folder"                       \
    }
#define OPTION_JSON                                                                                \
    {                                                                                              \
        "json", NULL, false, "print the answer as JSON"                                            \
    }
#define OPTION_END                                                                                 \
    {                                                                                              \
        NULL, NULL, false, NULL                                                                    \
    }

/** The state folder that --state, --config or the default names; says why when there is none.
 *  @return for free(), or NULL */
char *state_of(const struct arguments *arguments);
/** A path as seen from here, made absolute. @return for free() */
char *absolute_path(const char *path);
/** Sends a request to the gardien that the arguments name and prints what is wrong.
 *  @param request     its reference is taken
 *  @param ret_answer  a new reference, or NULL when there was no answer
 *  @return an enum app_exit */
int ask(const struct arguments *arguments, json_t *request, nsec_t timeout, json_t **ret_answer);
/** The same for verbs whose answer is a sentence: prints `done`, or JSON with --json. */
int ask_and_tell(const struct arguments *arguments, json_t *request, nsec_t timeout,
                 const char *done);

/** Options of verbs that only tell a running gardien something. */
extern const struct option control_options[];

extern const struct verb serve_verb;
extern const struct verb proxy_verb;
extern const struct verb config_verb;
extern const struct verb reload_verb;
extern const struct verb stop_verb;
extern const struct verb status_verb;
extern const struct verb upgrade_verb;
extern const struct verb cert_verb;
extern const struct verb check_verb;
extern const struct verb open_verb;
extern const struct verb close_verb;
extern const struct verb eye_verb;
extern const struct verb why_verb;
extern const struct verb ban_verb;
extern const struct verb unban_verb;
extern const struct verb bans_verb;
extern const struct verb protect_verb;
extern const struct verb scan_verb;
extern const struct verb help_verb;
extern const struct verb version_verb;
