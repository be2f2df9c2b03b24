/* Building plans, and the command lines that say the same. */
#include "firewall/plan/plan.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"

enum { TYPED_MAX = 64 * 1024 };

static printf_like(1, 0) char *format_text(const char *format, va_list args)
{
    char *text = NULL;

    if (vasprintf(&text, format, args) < 0)
        abort();
    return text;
}

struct plan_step *plan_add(struct plan *plan, const char *manager, const char *reason, ...)
{
    va_list args;

    if (plan->count == PLAN_STEPS_MAX)
        abort(); /* 64 ports in both families of five managers are fewer */
    plan->items = mem_resize(plan->items, plan->count + 1, sizeof *plan->items);
    struct plan_step *step = &plan->items[plan->count++];
    *step = (struct plan_step){.manager = manager};
    va_start(args, reason);
    step->reason = format_text(reason, args);
    va_end(args);
    return step;
}

/* ---- actions ---- */

void plan_command_array(struct plan_action *action, const char *const *argv)
{
    size_t count = 0;

    while (argv[count])
        count++;
    action->kind = PLAN_COMMAND;
    action->argv = mem_resize(NULL, count + 1, sizeof *action->argv);
    for (size_t i = 0; i < count; i++)
        action->argv[i] = mem_string(span_str(argv[i]));
    action->argv[count] = NULL;
}

void plan_command(struct plan_action *action, const char *program, ...)
{
    const char *argv[64] = {program};
    size_t count = 1;
    va_list args;

    va_start(args, program);
    while (count < ARRAY_SIZE(argv) - 1 && (argv[count] = va_arg(args, const char *)))
        count++;
    va_end(args);
    argv[count] = NULL;
    plan_command_array(action, argv);
}

void plan_nft(struct plan_action *action, const char *script, ...)
{
    va_list args;

    va_start(args, script);
    action->kind = PLAN_NFT;
    action->text = format_text(script, args);
    va_end(args);
}

void plan_write(struct plan_action *action, const char *path, struct span content, unsigned mode)
{
    action->kind = PLAN_WRITE;
    action->path = mem_string(span_str(path));
    action->text = mem_string(content);
    action->mode = mode;
}

void plan_remove(struct plan_action *action, const char *path)
{
    action->kind = PLAN_REMOVE;
    action->path = mem_string(span_str(path));
}

void plan_policy(struct plan_action *action, enum policy_verb verb, const struct policy_rule *rule)
{
    action->kind = PLAN_SYSTEM;
    action->policy = (struct policy_order){verb, policy_rule_copy(rule)};
}

/* ---- what a person would type ---- */

static bool is_plain(const char *word)
{
    return *word && strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                 "_-+=:,./@%") == strlen(word);
}

/* Whether the text is whole is looked at once, at its end. */
static void add(struct buffer *out, const char *text)
{
    int r = buffer_add(out, span_str(text));
    (void)r;
}

void plan_quote(struct buffer *out, const char *word)
{
    if (is_plain(word)) {
        add(out, word);
        return;
    }
    add(out, "'");
    for (const char *at = word; *at; at++)
        add(out, *at == '\'' ? "'\\''" : (const char[]){*at, '\0'});
    add(out, "'");
}

static void add_words(struct buffer *out, char *const *words)
{
    for (; words && *words; words++) {
        add(out, " ");
        plan_quote(out, *words);
    }
}

/* busctl call SERVICE PATH INTERFACE METHOD TYPES ARG... */
static void add_dbus(struct buffer *out, const struct plan_action *action)
{
    char *const words[] = {action->dbus.service, action->dbus.path,  action->dbus.interface,
                           action->dbus.method,  action->dbus.types, NULL};

    add(out, "busctl call");
    add_words(out, words);
    add_words(out, action->dbus.args);
}

static void add_here_document(struct buffer *out, const char *text)
{
    size_t len = strlen(text);

    add(out, " <<'END'\n");
    add(out, text);
    add(out, len && text[len - 1] == '\n' ? "END" : "\nEND");
}

/* One line of nft stays one line: nft 'insert rule …'. */
static void add_nft(struct buffer *out, const char *script)
{
    size_t len = strlen(script);
    const char *newline = strchr(script, '\n');

    if (!newline || newline == script + len - 1) {
        scoped(mem_release) char *line = mem_string(span_of(script, newline ? len - 1 : len));
        add(out, "nft ");
        plan_quote(out, line);
    } else {
        add(out, "nft -f -");
        add_here_document(out, script);
    }
}

static char *spell(const struct plan_action *action)
{
    struct buffer out = buffer_make(TYPED_MAX);

    if (action->kind == PLAN_COMMAND) {
        plan_quote(&out, action->argv[0]);
        add_words(&out, action->argv + 1);
    } else if (action->kind == PLAN_NFT) {
        add_nft(&out, action->text);
    } else if (action->kind == PLAN_WRITE) {
        add(&out, "tee ");
        plan_quote(&out, action->path);
        add_here_document(&out, action->text);
    } else if (action->kind == PLAN_REMOVE) {
        add(&out, "rm -f ");
        plan_quote(&out, action->path);
    } else if (action->kind == PLAN_DBUS) {
        add_dbus(&out, action);
    } else {
        return NULL;
    }
    char *typed = mem_string(buffer_span(&out));
    buffer_finish(&out);
    return typed;
}

void plan_spell(struct plan_step *step)
{
    if (!step->typed)
        step->typed = spell(&step->action);
    if (!step->untyped)
        step->untyped = spell(&step->undo);
}

/* ---- the end ---- */

static void free_words(char **words)
{
    for (char **word = words; word && *word; word++)
        free(*word);
    free(words);
}

static void action_finish(struct plan_action *action)
{
    free_words(action->argv);
    free_words(action->dbus.args);
    free(action->text);
    free(action->path);
    free(action->dbus.service);
    free(action->dbus.path);
    free(action->dbus.interface);
    free(action->dbus.method);
    free(action->dbus.types);
    free(action->dbus.fine);
    policy_rule_finish(&action->policy.rule);
}

static void step_finish(struct plan_step *step)
{
    action_finish(&step->action);
    action_finish(&step->undo);
    free(step->record.detail);
    free(step->record.before);
    free(step->reason);
    free(step->typed);
    free(step->untyped);
}

static void reverse_step(struct plan_step *step)
{
    struct plan_action action = step->action;
    char *typed = step->typed, *reason = mem_format("takes back: %s", step->reason);

    step->action = step->undo;
    step->undo = action;
    step->typed = step->untyped;
    step->untyped = typed;
    free(step->reason);
    step->reason = reason;
}

void plan_reverse(struct plan *plan)
{
    struct plan_step *steps = mem_resize(NULL, plan->count + 1, sizeof *steps);
    size_t kept = 0;

    for (int last = 0; last < 2; last++)
        for (size_t i = plan->count; i-- > 0;) {
            struct plan_step *step = &plan->items[i];
            if (step->undo_last != last)
                continue;
            if (step->undo.kind == PLAN_NOTHING && !step->untyped) {
                step_finish(step);
                continue;
            }
            steps[kept] = *step;
            reverse_step(&steps[kept++]);
        }
    free(plan->items);
    plan->items = steps;
    plan->count = kept;
    findings_finish(&plan->notes);
}

void plan_finish(struct plan *plan)
{
    for (size_t i = 0; i < plan->count; i++)
        step_finish(&plan->items[i]);
    free(plan->items);
    findings_finish(&plan->notes);
    *plan = (struct plan){0};
}
