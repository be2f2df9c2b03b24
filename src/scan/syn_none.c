/* A system on which we send no SYNs of our own: ports are connected to. */
#include <errno.h>

#include "scan/job.h"
#include "scan/scan.h"

const bool scan_sends_syns = false;

int scan_syn(struct scan_job *job)
{
    return -EPERM;
}
