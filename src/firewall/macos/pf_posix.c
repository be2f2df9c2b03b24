/* Asking macOS of its two firewalls, read-only. Only root is told of pf. */
#include <stdlib.h>

#include "base/mem.h"
#include "firewall/plan/facts.h"
#include "os/command.h"
#include "os/self.h"

/* @return what it printed for free(), or NULL when it failed or said too much */
static char *ask(const char *const *argv)
{
    struct command command = {.argv = argv, .timeout = 10 * NSEC_PER_SEC};
    struct command_result result;
    char *text = NULL;

    if (command_run(&command, &result) < 0)
        return NULL;
    if (result.exit_code == 0 && !result.cut)
        text = mem_string(buffer_span(&result.output));
    command_result_finish(&result);
    return text;
}

/* A program that listens, and this one, which may. */
static void take_programs(struct pf *pf)
{
    scoped(mem_release) char *lsof = ask(
        (const char *[]){"/usr/sbin/lsof", "-nP", "-iTCP", "-sTCP:LISTEN", "-iUDP", "-FpPn", NULL});
    scoped(mem_release) char *ids = pf_listener_ids(lsof);
    scoped(mem_release) char *ps =
        ids ? ask((const char *[]){"/bin/ps", "-o", "pid=,comm=", "-p", ids, NULL}) : NULL;

    pf_read_listeners(lsof, ps, pf);
    if (pf->self && !pf_add_program(pf, span_str(pf->self)))
        return; /* where so many listen it is not needed */
    for (size_t i = 0; i < pf->program_count; i++) {
        struct pf_program *program = &pf->programs[i];
        scoped(mem_release) char *said =
            ask((const char *[]){PF_SOCKETFILTERFW, "--getappblocked", program->path, NULL});
        program->let_in = pf_read_program(said, &program->blocked);
    }
}

static void take_application(struct pf *pf)
{
    scoped(mem_release) char *global =
        ask((const char *[]){PF_SOCKETFILTERFW, "--getglobalstate", NULL});
    scoped(mem_release) char *block =
        ask((const char *[]){PF_SOCKETFILTERFW, "--getblockall", NULL});

    pf->application.on = pf_read_global(global);
    pf->application.blocks_all = pf_read_block_all(block, global);
    if (pf->application.on != PF_OFF)
        take_programs(pf);
}

void pf_take(struct pf *ret_pf, const char *root)
{
    const struct firewall_facts beneath = {.root = (char *)root};
    struct pf pf = {.there = command_exists(PF_PFCTL), .self = self_program()};
    scoped(mem_release) char *conf = firewall_facts_file(&beneath, "/etc/pf.conf");
    scoped(mem_release) char *token = firewall_facts_file(&beneath, PF_TOKEN);
    scoped(mem_release) char *info =
        pf.there ? ask((const char *[]){PF_PFCTL, "-s", "info", NULL}) : NULL;

    pf.rules = firewall_facts_file(&beneath, PF_RULES);
    pf.daemon = firewall_facts_file(&beneath, PF_DAEMON);
    pf.token = token && *token;
    pf.call = pf_read_conf(conf);
    pf.on = pf_read_info(info);
    if (pf.there)
        pf.loaded = ask((const char *[]){PF_PFCTL, "-a", PF_ANCHOR, "-s", "rules", NULL});
    take_application(&pf);
    *ret_pf = pf;
}
