/* `gardien open` and `gardien close`: the plan is shown, agreed to, carried out and proved. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/open_parts.h"
#include "os/self.h"

/* ---- what is wanted ---- */

static int read_elsewhere(struct change *c, struct diags *diags)
{
    const char *on = arguments_get(c->arguments, "on");

    c->request.profile = arguments_get(c->arguments, "profile");
    if (!on && c->request.profile && !managers_are_of("windows")) {
        diag_hint(diags_add(diags, "profiles are those of Windows"), "add --on windows");
        return ERR_SYNTAX;
    }
    if (!on)
        return 0;
    c->elsewhere = manager_find(on);
    c->dry = true;
    if (c->elsewhere)
        return 0;
    diag_hint(diags_add(diags, "--on knows no \"%s\"", on), "it knows %s", manager_names());
    return ERR_SYNTAX;
}

static int read_request(struct change *c, struct diags *diags)
{
    const char *from = arguments_get(c->arguments, "from");
    struct firewall_request *request = &c->request;
    int r = ports_parse(c->arguments->words, c->arguments->word_count, diags, &request->ports);

    if (from && network_parse(from, diags, &request->from) < 0)
        r = ERR_SYNTAX;
    if (r < 0)
        return r;
    if (c->opens && request->ports.count == 0)
        request->ports = ports_default();
    request->interface = arguments_get(c->arguments, "interface");
    request->zone = arguments_get(c->arguments, "zone");
    if (read_elsewhere(c, diags) < 0)
        return ERR_SYNTAX;
    request->force = arguments_get(c->arguments, "force") != NULL;
    if (request->force && request->ports.count == 0) {
        diag_hint(diags_add(diags, "--force needs to know which ports"),
                  "name them: gardien close --force 443/tcp");
        return ERR_SYNTAX;
    }
    return change_check(c, diags);
}

/* ---- what is shown ---- */

static void print_in_force(const struct change *c)
{
    for (size_t i = 0; managers[i]; i++)
        if (c->planned.states[i].presence == PRESENCE_IN_FORCE)
            printf("in force: %s (%s)\n", managers[i]->name, c->planned.states[i].sentence);
}

/* Whether nothing can be said: there is no step, and the rules could not be read. */
static bool is_unseen(const struct change *c)
{
    return !c->elsewhere && c->planned.unseen && c->planned.plan.count == 0;
}

static void show_plan(const struct change *c)
{
    struct printer printer = printer_of(stdout);

    if (c->json)
        return;
    if (!c->elsewhere)
        print_in_force(c);
    if (c->planned.plan.count == 0 && findings_worst(&c->planned.plan.notes) == FINDING_BAD)
        puts("there is nothing that gardien could change");
    else if (is_unseen(c))
        puts("no plan: the firewall could not be read");
    else if (c->planned.plan.count == 0 &&
             findings_worst(&c->planned.plan.notes) == FINDING_UNKNOWN)
        puts("no plan: not everything that decides could be read");
    else if (c->planned.plan.count == 0)
        puts(c->opens ? "already open: no rule closes it" : "nothing of gardien's to close");
    plan_print(&printer, &c->planned.plan);
    fflush(stdout);
}

static void show_outcome(struct change *c)
{
    struct printer printer = printer_of(stdout);

    if (c->json) {
        json_t *answer =
            json_pack("{s:o, s:o, s:b, s:o, s:o*}", "managers", opening_managers_json(&c->planned),
                      "plan", plan_json(&c->planned.plan), "applied", (int)c->applied, "proof",
                      findings_json(&c->proof), "router", take(c->router));
        change_json_more(c, answer);
        print_json(answer);
        return;
    }
    if (c->applied)
        puts(c->opens ? "opened" : "closed");
    findings_print(&printer, &c->proof);
    change_print_more(c, &printer);
}

/* ---- consent ---- */

/* @return APP_OK, or why it ends here */
static int agree(const struct change *c)
{
    char line[16] = "";

    if (arguments_get(c->arguments, "yes"))
        return APP_OK;
    if (c->json || !self_is_terminal(STDIN_FILENO) || !self_is_terminal(STDOUT_FILENO)) {
        print_error("--yes does it, --dry-run only shows it",
                    "there is no terminal to ask for confirmation of the plan");
        return APP_USAGE;
    }
    printf("Do this? [y/N] ");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y'))
        return APP_OK;
    puts("nothing was changed");
    return APP_FAILED;
}

char *change_command_line(void)
{
    struct buffer line = buffer_make(64 * 1024);
    int r = 0;

    for (char *const *word = cli_argv(); r >= 0 && *word; word++) {
        if (line.len)
            r = buffer_add(&line, SPAN(" "));
        plan_quote(&line, *word);
    }
    char *text = mem_string(buffer_span(&line));
    buffer_finish(&line);
    return text;
}

/* ---- carrying it out ---- */

static int plan_it(struct change *c, struct diags *diags)
{
    if (c->elsewhere)
        return elsewhere_plan(c->elsewhere, c->opens, &c->request, diags, &c->planned);
    firewall_facts_take(&c->facts, "", c->state);
    return c->opens ? open_plan(&c->facts, &c->request, diags, &c->planned)
                    : close_plan(&c->facts, &c->request, diags, &c->planned);
}

/* @return an enum app_exit */
static int change_it(struct change *c, struct diags *diags)
{
    if (c->planned.changed_by_root && (c->planned.plan.count || c->planned.unseen))
        return change_lacks_rights(c);
    if (c->planned.plan.count == 0)
        return is_unseen(c) ? APP_FAILED : APP_OK;
    int code = agree(c);
    return code == APP_OK ? change_apply(c, diags) : code;
}

static int carry_out(struct change *c, struct diags *diags)
{
    int code = is_unseen(c) ? APP_FAILED : APP_OK, settled = APP_OK;

    change_note(c);
    show_plan(c);
    if (!c->dry)
        code = change_it(c, diags);
    if (code == APP_OK && c->opens && !c->dry)
        c->closed = open_prove(&c->request, &c->proof);
    if (code == APP_OK && !c->dry)
        settled = change_settle(c, diags);
    if (code != APP_USAGE)
        show_outcome(c);
    if (settled != APP_OK)
        return settled;
    return code == APP_OK && c->closed ? APP_FAILED : code;
}

static int run(struct change *c, struct diags *diags)
{
    int lock = -1, code = APP_USAGE;

    if (read_request(c, diags) < 0)
        return APP_USAGE;
    if (!c->dry && self_is_privileged() && (lock = change_lock(c, diags)) < 0)
        return APP_FAILED;
    if (plan_it(c, diags) >= 0)
        code = carry_out(c, diags);
    firewall_facts_finish(&c->facts);
    opening_plan_finish(&c->planned);
    findings_finish(&c->proof);
    if (lock >= 0)
        opening_unlock(lock);
    return code;
}

static int run_change(const struct arguments *arguments, bool opens)
{
    struct change change = {.arguments = arguments,
                            .opens = opens,
                            .json = arguments_get(arguments, "json") != NULL,
                            .dry = arguments_get(arguments, "dry-run") != NULL};
    struct diags diags = {0};
    int code = APP_USAGE;

    if (change_begin(&change, &code))
        code = run(&change, &diags);
    print_diags(stderr, &diags);
    diags_finish(&diags);
    free(change.state);
    return code;
}

int open_run(const struct arguments *arguments)
{
    return run_change(arguments, true);
}

int close_run(const struct arguments *arguments)
{
    return run_change(arguments, false);
}
