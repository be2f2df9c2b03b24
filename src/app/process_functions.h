/* The functions in the table of processes, one file each. */
#pragma once

#include "app/process.h"

/** Holds private keys: loads those that the guardian opened (IPC_KEY_LOAD, answered by IPC_DONE)
 * and answers the signing protocol of tls/keys.h on each channel. */
int keys_process_run(const struct process_start *start);
/** Writes what comes from workers to the files of IPC_LOG_FILES. What was sent before the end is
 *  written before it ends itself. */
int logs_process_run(const struct process_start *start);
/** Opens in the firewall, as root, what is not open of IPC_PORTS; at the end it closes what it
 *  opened itself. */
int firewall_process_run(const struct process_start *start);
/** Maps the ports of IPC_PORTS at a home router and renews that; takes them back at the end. */
int router_process_run(const struct process_start *start);
/** Connects to upstream servers of IPC_SETTINGS for workers (connector.h). */
int connector_process_run(const struct process_start *start);
/** Decides about bans, and enforces them (ban_decisions.h). */
int bans_process_run(const struct process_start *start);
bool bans_wanted(const struct settings *settings);
/** The two files of the journal. */
int bans_open_files(const struct settings *settings, int state_fd, struct diags *diags,
                    int *ret_fds);
/** Serves. @param start  question: struct worker_start */
int worker_process_run(const struct process_start *start);
/** Reads settings and makes certificates. @param start  question: struct settings_source */
int prepare_process_run(const struct process_start *start);
/** Gets a certificate from an ACME server. @param start  question: struct acme_question (acme.h) */
int acme_process_run(const struct process_start *start);
/** Asks an OCSP responder. @param start  question: the chain in PEM */
int ocsp_process_run(const struct process_start *start);
