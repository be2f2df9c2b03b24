/* `gardien open --router` and `close --router`: asks the router, and says what became of it. */
#include "cli/router.h"
#include "base/error.h"
#include "report/finding.h"
#include "report/printer.h"

int router_ask_and_tell(const struct router_request *request, json_t **ret_json)
{
    struct printer printer = printer_of(stdout);
    struct findings findings = {0};
    struct router_answer answer;
    int r = router_talk(request, &answer);

    if (ret_json)
        *ret_json = NULL;
    if (r < 0) {
        print_error("forward the ports by hand in the router's settings",
                    "the router could not be asked: %s", error_text(r));
        return APP_FAILED;
    }
    router_judge(&answer, nsec_realtime(), &findings);
    if (ret_json) {
        *ret_json = router_json(&answer);
        json_object_set_new(*ret_json, "findings", findings_json(&findings));
    } else {
        findings_print(&printer, &findings);
    }
    findings_finish(&findings);
    return router_fine(&answer) ? APP_OK : APP_FAILED;
}
