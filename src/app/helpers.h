/* The two small processes beside the workers: one holds private keys and signs, one writes log
 * files. Each runs until its guardian is gone. */
#pragma once

/** The keys process: loads keys that the guardian opened (IPC_KEY_LOAD, answered by IPC_DONE),
 * makes new ones (IPC_KEY_MAKE, answered by IPC_KEY_MADE) and answers the signing protocol of
 * tls/keys.h on each IPC_CLIENT socket, as far as its rights go.
 *  @param guardian  SEQPACKET, blocking
 *  @param user      whom to become; NULL keeps the present user
 *  @return the exit code */
int keys_process_run(int guardian, const char *user);
/** The logs process: writes what comes from IPC_CLIENT sockets to the files of IPC_LOG_FILES. What
 *  workers sent before they ended is written before it ends itself. */
int logs_process_run(int guardian, const char *user);
