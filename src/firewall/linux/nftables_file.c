/* What makes the rules of ours outlast a reload: a drop-in file, and a line in /etc/nftables.conf
 * that reads it. */
#include <stdlib.h>
#include <string.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "firewall/linux/nftables.h"

static const char conf_path[] = "/etc/nftables.conf";
static const char folder[] = "/etc/nftables.d";
/* A pattern that matches no file is no mistake to nft, where a missing file is. */
static const char include_line[] = "include \"/etc/nftables.d/gardien*.nft\"";

/* ---- rules of ours ---- */

char *nftables_rule_text(const struct firewall_facts *facts, const struct ruleset_chain *chain,
                         uint64_t handle)
{
    scoped(mem_release) char *table =
        mem_format("table %s %s {", ruleset_family_name(chain->table->family), chain->table->name);
    scoped(mem_release) char *mark = mem_format(" # handle %llu", (unsigned long long)handle);
    scoped(mem_release) char *start = mem_format("\tchain %s {", chain->name);
    struct span rest = span_str(facts->ruleset_text), line;
    bool in_table = false, in_chain = false;

    while (facts->ruleset_text && span_next(&rest, '\n', &line)) {
        if (line.len && line.ptr[0] != '\t') {
            in_table = span_starts(line, span_str(table));
            in_chain = false;
        } else if (line.len > 1 && line.ptr[1] != '\t') {
            in_chain = in_table && span_starts(line, span_str(start));
        } else if (in_chain && span_ends(line, span_str(mark))) {
            return mem_string(span_trim(span_of(line.ptr, line.len - strlen(mark))));
        }
    }
    return NULL;
}

static struct ours *ours_of(struct ours_list *list, const struct ruleset_chain *in,
                            const char *base)
{
    const char *family = ruleset_family_name(in->table->family), *table = in->table->name;

    for (size_t i = 0; i < list->count; i++) {
        struct ours *ours = &list->items[i];
        if (strcmp(ours->family, family) == 0 && strcmp(ours->table, table) == 0 &&
            strcmp(ours->base, base) == 0)
            return ours;
    }
    list->items = mem_resize(list->items, list->count + 1, sizeof *list->items);
    struct ours *ours = &list->items[list->count++];
    *ours = (struct ours){.family = mem_string(span_str(family)),
                          .table = mem_string(span_str(table)),
                          .base = mem_string(span_str(base))};
    return ours;
}

static void add_body(struct ours *ours, char *body)
{
    ours->bodies = mem_resize(ours->bodies, ours->count + 1, sizeof *ours->bodies);
    ours->bodies[ours->count++] = body;
}

void ours_add(struct ours_list *list, const struct ruleset_chain *base, bool at_end,
              const char *body)
{
    struct ours *ours = ours_of(list, base, base->name);

    if (ours->count == 0)
        ours->at_end = at_end;
    add_body(ours, mem_string(span_str(body)));
}

static bool is_left_out(const struct ports *without, const struct ruleset_rule *rule)
{
    struct port port;

    return without && tag_parse(nftables_comment(rule), &port) &&
           (without->count == 0 || ports_have(without, port));
}

/* Our jump is the chain's last rule where the policy was what decided. */
static bool jump_is_last(const struct ruleset *ruleset, const struct ruleset_chain *chain,
                         const char *base)
{
    const struct ruleset_chain *from = ruleset_chain_find(ruleset, chain->table, base);

    return from && from->policy_drops && from->last && nftables_jumps_to(from->last, chain->name);
}

void ours_read(const struct firewall_facts *facts, const struct ruleset *ruleset,
               const struct ports *without, struct ours_list *ret_list)
{
    struct ours_list list = {0};

    for (const struct ruleset_chain *chain = ruleset->chains; chain; chain = chain->next) {
        const char *base = nftables_base_of(chain->name);
        for (const struct ruleset_rule *rule = chain->rules; base && rule; rule = rule->next) {
            char *text =
                is_left_out(without, rule) ? NULL : nftables_rule_text(facts, chain, rule->handle);
            if (!text)
                continue;
            struct ours *ours = ours_of(&list, chain, base);
            ours->at_end = jump_is_last(ruleset, chain, base);
            add_body(ours, text);
        }
    }
    *ret_list = list;
}

void ours_finish(struct ours_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        struct ours *ours = &list->items[i];
        for (size_t j = 0; j < ours->count; j++)
            free(ours->bodies[j]);
        free(ours->bodies);
        free(ours->family);
        free(ours->table);
        free(ours->base);
    }
    free(list->items);
    *list = (struct ours_list){0};
}

/* ---- the file ---- */

/* "create" refuses to make a chain that is there: loaded once more without a flush before it, the
 * file changes nothing instead of doubling rules. */
static char *render(const struct ours_list *list)
{
    struct buffer out = buffer_make(256 * 1024);
    int r =
        buffer_printf(&out, "%s",
                      "# Ports that `gardien open` opened; `gardien close` removes them again.\n"
                      "# Read by /etc/nftables.conf, after its flush.\n");

    for (size_t i = 0; r >= 0 && i < list->count; i++) {
        const struct ours *o = &list->items[i];
        r = buffer_printf(
            &out, "\nadd table %s %s\nadd chain %s %s %s\ncreate chain %s %s gardien_%s\n",
            o->family, o->table, o->family, o->table, o->base, o->family, o->table, o->base);
        for (size_t j = 0; r >= 0 && j < o->count; j++)
            r = buffer_printf(&out, "add rule %s %s gardien_%s %s\n", o->family, o->table, o->base,
                              o->bodies[j]);
        if (r >= 0)
            r = buffer_printf(&out, "%s rule %s %s %s jump gardien_%s comment \"gardien\"\n",
                              o->at_end ? "add" : "insert", o->family, o->table, o->base, o->base);
    }
    char *text = r < 0 ? NULL : mem_string(buffer_span(&out));
    buffer_finish(&out);
    return text;
}

static char *rooted(const struct firewall_facts *facts, const char *path)
{
    return mem_format("%s%s", facts->root ? facts->root : "", path);
}

static void plan_dropin(const struct firewall_facts *facts, const char *path, char *text,
                        struct plan *plan)
{
    scoped(mem_release) char *old = firewall_facts_file(facts, path);
    scoped(mem_release) char *full = rooted(facts, path);
    struct plan_step *step;

    if (text && old && strcmp(old, text) == 0)
        return;
    if (text) {
        step = plan_add(plan, manager_nftables.name,
                        "the rules are kept in a file, so that they come back after a restart");
        plan_write(&step->action, full, span_str(text), 0644);
    } else if (old) {
        step = plan_add(plan, manager_nftables.name, "no rule of gardien's is left to keep");
        plan_remove(&step->action, full);
    } else {
        return;
    }
    if (old)
        plan_write(&step->undo, full, span_str(old), 0644);
    else
        plan_remove(&step->undo, full);
    step->action.folder = step->undo.folder = true;
    plan_spell(step);
}

/* Puts the line at the end of the file, or takes it out, and nothing else. @return NULL: as it is
 */
static char *edit_conf(const char *conf, bool with)
{
    const char *at = strstr(conf, include_line);
    size_t len = strlen(conf), line = strlen(include_line);
    bool whole = len == 0 || conf[len - 1] == '\n';

    if (with == (at != NULL))
        return NULL;
    if (with && whole)
        return mem_format("%s%s\n", conf, include_line);
    if (with)
        return mem_format("%s\n%s", conf, include_line);
    const char *after = at + line;
    if (*after == '\n')
        after++;
    else if (at > conf) /* it was put behind a last line without an end */
        at--;
    return mem_format("%.*s%s", (int)(at - conf), conf, after);
}

/* Does the file read every *.nft in the folder already? */
static bool reads_folder(const char *conf)
{
    return strstr(conf, "\"/etc/nftables.d/*.nft\"") || strstr(conf, "\"/etc/nftables.d/*\"");
}

static void plan_conf(const struct firewall_facts *facts, const char *conf, bool with,
                      struct plan *plan)
{
    scoped(mem_release) char *text = edit_conf(conf, with);
    scoped(mem_release) char *full = rooted(facts, conf_path);

    if (!text || (with && reads_folder(conf)))
        return;
    struct plan_step *step =
        plan_add(plan, manager_nftables.name,
                 with ? "nftables.service loads %s only, which is told to read the file"
                      : "%s has nothing more of gardien's to read",
                 conf_path);
    plan_write(&step->action, full, span_str(text), 0644);
    plan_write(&step->undo, full, span_str(conf), 0644);
    step->typed = with ? mem_format("echo '%s' >>%s", include_line, full)
                       : mem_format("sed -i '\\|%s|d' %s", "nftables.d/gardien", full);
    step->untyped = with ? mem_format("sed -i '\\|%s|d' %s", "nftables.d/gardien", full)
                         : mem_format("echo '%s' >>%s", include_line, full);
}

/* Whether the file that is loaded at a start is where these rules come from. */
static bool is_loaded(const struct firewall_facts *facts, const char *conf,
                      const struct ours_list *list)
{
    if (facts->nftables_unit)
        return true;
    for (size_t i = 0; i < list->count; i++)
        if (strstr(conf, list->items[i].table))
            return true;
    return false;
}

static void note_unloaded(const struct firewall_facts *facts, const char *conf, struct plan *plan)
{
    struct finding *note = NULL;

    if (!conf)
        note = findings_add(&plan->notes, FINDING_WARNING, "restart",
                            "there is no %s: the rules last until the next restart", conf_path);
    else if (!facts->nftables_unit)
        note = findings_add(&plan->notes, FINDING_WARNING, "restart",
                            "nftables.service is not enabled: whoever loads the rules at a start "
                            "must read %s too",
                            folder);
    if (note)
        finding_hint(note, "write the rules into %s and run: systemctl enable nftables", conf_path);
}

void nftables_plan_file(const struct firewall_facts *facts, const struct ours_list *list,
                        struct plan *plan)
{
    scoped(mem_release) char *conf = firewall_facts_file(facts, conf_path);
    scoped(mem_release) char *path = mem_format("%s/gardien.nft", folder);
    scoped(mem_release) char *text = list->count ? render(list) : NULL;

    if (text)
        note_unloaded(facts, conf, plan);
    if (text && (!conf || !is_loaded(facts, conf, list)))
        return;
    if (!text && conf)
        plan_conf(facts, conf, false, plan);
    plan_dropin(facts, path, text, plan);
    if (text)
        plan_conf(facts, conf, true, plan);
}
