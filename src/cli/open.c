/* `gardien open` and `gardien close`: the plan is shown, agreed to, carried out and proved. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "app/app.h"
#include "base/error.h"
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/confirm.h"
#include "cli/router.h"
#include "firewall/firewall.h"
#include "report/face.h"

#define OPTION_DRY_RUN                                                                             \
    {                                                                                              \
        "dry-run", NULL, false, "show the plan and change nothing", "-n"                           \
    }
#define OPTION_YES                                                                                 \
    {                                                                                              \
        "yes", NULL, false, "do not ask", "-y"                                                     \
    }

const struct option open_options[] = {
    {"from", "CIDR", false, "only for these addresses: 192.0.2.0/24, 2001:db8::/32"},
    {"interface", "NAME", false, "only for what comes in here"},
    {"zone", "NAME", false, "firewalld: in this zone"},
    {"router", NULL, false, "at the home router too, for a week"},
    {"on", "SYSTEM", false,
     "print the plan and the commands for another machine: windows, macos, linux-nftables, "
     "linux-iptables, linux-iptables-legacy, linux-ufw, linux-firewalld"},
    {"profile", "NAMES", false,
     "Windows: on networks of these profiles (default: domain,private); public too is for "
     "machines on unknown networks"},
    OPTION_DRY_RUN,
    OPTION_YES,
    {"confirm", "TIME", false, "take it back after TIME (60s, 5m) unless confirmed"},
    {"confirmed", NULL, false, "confirm what an earlier --confirm opened"},
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_END,
};

const struct option close_options[] = {
    {"force", NULL, false, "rules that others made for the named ports too"},
    {"router", NULL, false, "at the home router too"},
    {"on", "SYSTEM", false, "print the commands for another machine, as of open"},
    OPTION_DRY_RUN,
    OPTION_YES,
    OPTION_STATE,
    OPTION_CONFIG,
    OPTION_JSON,
    OPTION_END,
};

/* One run of either verb. */
struct change {
    const struct arguments *arguments;
    bool opens, json, dry;
    const struct manager *elsewhere; /* --on; NULL: this machine */
    char *state;
    struct wish wish;
    nsec_t confirm; /* 0: not wanted */
    struct look look;
    struct opening_plan planned;
    struct findings proof;
    bool applied;
    json_t *router; /* its answer for --json */
    size_t closed;  /* ports that a probe did not reach */
};

/* ---- what is wanted ---- */

static int read_elsewhere(struct change *c, struct diags *diags)
{
    const char *on = arguments_get(c->arguments, "on");

    c->wish.profile = arguments_get(c->arguments, "profile");
    if (!on && c->wish.profile) {
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

static int read_wish(struct change *c, struct diags *diags)
{
    const char *from = arguments_get(c->arguments, "from");
    const char *confirm = arguments_get(c->arguments, "confirm");
    struct wish *wish = &c->wish;
    int r = ports_parse(c->arguments->words, c->arguments->word_count, diags, &wish->ports);

    if (from && network_parse(from, diags, &wish->from) < 0)
        r = ERR_SYNTAX;
    if (r >= 0 && confirm)
        r = confirm_parse(confirm, &c->confirm);
    if (r < 0)
        return r;
    if (c->opens && wish->ports.count == 0)
        wish->ports = ports_default();
    wish->interface = arguments_get(c->arguments, "interface");
    wish->zone = arguments_get(c->arguments, "zone");
    if (read_elsewhere(c, diags) < 0)
        return ERR_SYNTAX;
    wish->force = arguments_get(c->arguments, "force") != NULL;
    if (wish->force && wish->ports.count == 0) {
        diag_hint(diags_add(diags, "--force needs to know which ports"),
                  "name them: gardien close --force 443/tcp");
        return ERR_SYNTAX;
    }
    if (wish->interface &&
        strspn(wish->interface, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRST"
                                "UVWXYZ0123456789_-.:@") != strlen(wish->interface)) {
        diag_hint(diags_add(diags, "\"%s\" is no name of an interface", wish->interface),
                  "`ip link` lists them");
        return ERR_SYNTAX;
    }
    return 0;
}

/* ---- what is shown ---- */

static void print_in_force(const struct change *c)
{
    for (size_t i = 0; managers[i]; i++)
        if (c->planned.sights[i].presence == PRESENCE_IN_FORCE)
            printf("in force: %s (%s)\n", managers[i]->name, c->planned.sights[i].sentence);
}

/* Whether nothing can be said: there is no step, and the rules could not be read. */
static bool is_unseen(const struct change *c)
{
    return !c->elsewhere && c->planned.changed_by_root && c->planned.plan.count == 0;
}

static void show_plan(const struct change *c)
{
    struct face face = face_of(stdout);

    if (c->json)
        return;
    if (!c->elsewhere)
        print_in_force(c);
    if (c->planned.plan.count == 0 && findings_worst(&c->planned.plan.notes) == FINDING_BAD)
        puts("there is nothing that gardien could change");
    else if (is_unseen(c))
        puts("there is no plan: what is to be done could not be told");
    else if (c->planned.plan.count == 0)
        puts(c->opens ? "already open: no rule closes it" : "nothing of gardien's to close");
    plan_print(&face, &c->planned.plan);
    fflush(stdout);
}

/* A provider's firewall stands in front of this one, and nothing here can see or change it. */
static bool is_behind_a_cloud(const struct change *c, struct cloud *ret_cloud)
{
    return c->opens && !c->elsewhere && cloud_detect("", ret_cloud);
}

static void show_outcome(struct change *c)
{
    struct face face = face_of(stdout);
    struct cloud cloud;
    bool behind = is_behind_a_cloud(c, &cloud);

    if (c->json) {
        print_json(json_pack("{s:o, s:o, s:b, s:o, s:o*, s:o*}", "managers",
                             opening_managers_json(&c->planned), "plan",
                             plan_json(&c->planned.plan), "applied", (int)c->applied, "proof",
                             findings_json(&c->proof), "router", take(c->router), "cloud",
                             behind ? cloud_json(&cloud, &c->wish.ports) : NULL));
        return;
    }
    if (c->applied)
        puts(c->opens ? "opened" : "closed");
    findings_print(&face, &c->proof);
    if (behind) {
        putchar('\n');
        cloud_print(&face, &cloud, &c->wish.ports);
    }
}

/* ---- consent ---- */

/* @return APP_OK, or why it ends here */
static int agree(const struct change *c)
{
    char line[16] = "";

    if (arguments_get(c->arguments, "yes"))
        return APP_OK;
    if (c->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        print_error("--yes does it, --dry-run only shows it",
                    "nobody is here to agree to the plan");
        return APP_USAGE;
    }
    printf("Do this? [y/N] ");
    fflush(stdout);
    if (fgets(line, sizeof line, stdin) && (line[0] == 'y' || line[0] == 'Y'))
        return APP_OK;
    puts("nothing was changed");
    return APP_FAILED;
}

static int lack_rights(const struct change *c)
{
    char hint[256];

    snprintf(hint, sizeof hint, "sudo gardien %s%s", c->opens ? "open" : "close",
             c->arguments->word_count ? " with the same words" : "");
    print_error(hint, "only root may change the firewall; nothing was changed");
    return APP_FAILED;
}

/* ---- carrying it out ---- */

static int apply(struct change *c, struct diags *diags)
{
    const struct plan *plan = &c->planned.plan;
    struct confirm confirm = {0};

    if (c->confirm && confirm_start(c->state, plan, c->confirm, &confirm) < 0)
        return APP_FAILED;
    int r = opening_apply(plan, c->opens, c->state, diags);
    c->applied = r >= 0;
    if (r < 0 && c->confirm) {
        bool kept = confirm_keep(&confirm); /* there is nothing left to take back */
        (void)kept;
    } else if (c->confirm && isatty(STDIN_FILENO) && !c->json) {
        bool said = confirm_ask(&confirm);
        bool kept = said && confirm_keep(&confirm);
        puts(kept ? "kept" : "not confirmed: it is taken back");
        r = kept ? 0 : ERR_TIMEOUT;
    } else if (c->confirm && !c->json) {
        printf("taken back in %lld seconds unless confirmed by: gardien open --confirmed\n",
               (long long)(c->confirm / NSEC_PER_SEC));
    }
    confirm_finish(&confirm);
    return r < 0 ? APP_FAILED : APP_OK;
}

/* Two runs at once would plan from the same facts and both add; and what waits to be taken back is
 * known by what it did, which nobody may change meanwhile. */
static int lock_state(const struct change *c, struct diags *diags)
{
    int folder = state_open(c->state, diags);

    if (folder < 0)
        return folder;
    close(folder);
    int lock = confirm_lock(c->state);
    if (lock < 0) {
        diag_hint(diags_add(diags, "%s cannot be locked: %s", c->state, error_text(lock)),
                  "name another state folder with --state DIR");
    } else if (confirm_waits(c->state)) {
        diag_hint(diags_add(diags, "what an earlier --confirm opened still waits for its answer"),
                  "`gardien open --confirmed` keeps it open; without, it is taken back in time");
        close(lock);
        lock = -EBUSY;
    }
    return lock;
}

static int plan_it(struct change *c, struct diags *diags)
{
    if (c->elsewhere)
        return elsewhere_plan(c->elsewhere, c->opens, &c->wish, diags, &c->planned);
    look_take(&c->look, "", c->state);
    return c->opens ? open_plan(&c->look, &c->wish, diags, &c->planned)
                    : close_plan(&c->look, &c->wish, diags, &c->planned);
}

/* The router is asked once this machine lets the ports in. @return an enum app_exit */
static int ask_router(struct change *c)
{
    struct router_wish wish = {.ports = c->wish.ports.count ? c->wish.ports : ports_default(),
                               .close = !c->opens,
                               .lease = ROUTER_LEASE_LONG};

    if (!arguments_get(c->arguments, "router") || c->dry)
        return APP_OK;
    return router_ask_and_tell(&wish, c->json ? &c->router : NULL);
}

static int carry_out(struct change *c, struct diags *diags)
{
    int code = APP_OK;

    show_plan(c);
    if (!c->dry && c->planned.changed_by_root)
        code = lack_rights(c);
    else if (is_unseen(c))
        code = APP_FAILED;
    else if (!c->dry && c->planned.plan.count) {
        code = agree(c);
        if (code == APP_OK)
            code = apply(c, diags);
    }
    /* A probe is for everybody: what is open for some cannot be proved by it. */
    if (code == APP_OK && c->opens && !c->dry && c->wish.from.family == 0)
        c->closed = open_prove(&c->wish, &c->proof);
    if (code == APP_OK && !c->dry && opening_disown(c->state, &c->wish.ports, diags) < 0)
        code = APP_FAILED;
    int router = code == APP_OK ? ask_router(c) : APP_OK;
    if (code != APP_USAGE)
        show_outcome(c);
    if (router != APP_OK)
        return router;
    return code == APP_OK && c->closed ? APP_FAILED : code;
}

static int run(struct change *c, struct diags *diags)
{
    int lock = -1, code = APP_USAGE;

    if (read_wish(c, diags) < 0)
        return APP_USAGE;
    if (!c->dry && geteuid() == 0 && (lock = lock_state(c, diags)) < 0)
        return APP_FAILED;
    if (plan_it(c, diags) >= 0)
        code = carry_out(c, diags);
    look_finish(&c->look);
    opening_plan_finish(&c->planned);
    findings_finish(&c->proof);
    if (lock >= 0)
        close(lock);
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

    change.state = state_of(arguments);
    if (change.state && arguments_get(arguments, "confirmed"))
        code = confirm_from_elsewhere(change.state);
    else if (change.state)
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
