/* What is served, as the guardian holds it: sockets, folders, keys and log files. */
#pragma once

#include "app/endpoints.h"
#include "app/key_ring.h"
#include "app/prepare.h"
#include "app/served.h"
#include "os/output.h"

struct guardian;
struct worker_process; /* supervise.h */

struct deployed_site {
    struct key **keys;
    size_t key_count;
};

struct deployment {
    struct prepared prepared;
    struct endpoints endpoints;
    struct deployed_site *sites;
    size_t site_count;
    struct served_folders folders;
    struct output access; /* log files, fd -1 for none */
    struct output error;
    bool borrows; /* `prepared` is that of the deployment before it, whose folders it renews */
};

/** Opens what the prepared settings name. Takes over `prepared`, also on failure.
 *  @return 0, or an error with diags */
must_check int deployment_create(struct guardian *g, struct prepared *prepared, struct diags *diags,
                                 struct deployment **ret_deployment);
void deployment_destroy(struct guardian *g, struct deployment *deployment);
/** The live deployment with the folders that its paths lead to now; one that is not there stays as
 * it was. @return 0, or an error with diags */
must_check int deployment_renew_folders(struct guardian *g, struct diags *diags,
                                        struct deployment **ret_deployment);
/** Opens the log files anew. @return 0, or -errno with a diag and the old ones kept */
must_check int deployment_open_logs(struct deployment *deployment, struct diags *diags);
/** Tells the logs process which files to write. */
void deployment_send_logs(struct guardian *g, const struct deployment *deployment);
/** Sends a worker all that it serves. @return 0, or an error */
must_check int deployment_send(struct guardian *g, const struct deployment *deployment,
                               const struct worker_process *worker);
