/* One request and its answer under a set of rules: the values of all variables, and what has been
 * decided so far. */
#pragma once

#include "base/arena.h"
#include "base/nsec.h"
#include "protect/waf/pattern.h"
#include "protect/waf/rules.h"

/** A member of a collection. */
struct waf_member {
    struct span name;
    struct span value;
};

struct waf_collection {
    struct waf_member *items; /**< in the arena */
    unsigned count;
    unsigned room;
};

/** Bits that multipart bodies set, as ModSecurity's variables of the same names. */
struct waf_multipart_flags {
    bool boundary_quoted, boundary_whitespace, crlf_lf_lines, data_after, data_before,
        header_folding, invalid_header_folding, invalid_part, invalid_quoting, lf_line,
        missing_semicolon, file_limit_exceeded;
    int unmatched_boundary;
};

/** What a rule's match is told as. All text lives as long as the transaction. */
struct waf_match {
    const struct waf_rule *rule;   /**< the head of its chain */
    const struct waf_rule *link;   /**< the link that matched last */
    struct span variable;          /**< "ARGS:a" */
    struct span value;             /**< that was looked at, transformed */
    struct span found;             /**< the part of it that matched, or the whole */
    struct span message, log_data; /**< expanded */
    enum waf_phase phase;
};

struct waf_ops {
    /** A rule that logs has matched. */
    void (*on_match)(void *owner, const struct waf_match *match);
    void *owner;
};

struct waf_removed; /* rules and targets that ctl took out */

struct waf_transaction {
    const struct waf_rules *rules;
    struct waf_ops ops;
    struct arena arena;
    bool full;    /**< the arena is: what could not be looked at is told as REQBODY_ERROR */
    bool late;    /**< a phase took longer than it may: the rest of it was left out */
    nsec_t until; /**< monotonic, of the present phase */
    nsec_t started;
    /* values */
    struct span scalars[WAF_VARIABLES]; /**< ptr NULL: absent */
    struct waf_collection args_get, args_post, cookies, request_headers, response_headers, files,
        files_sizes, part_names, part_files, part_headers, xml, tx, ip, global, session, user,
        resource, env, matched_vars, next_matched_vars;
    struct waf_multipart_flags multipart;
    struct span body_processor; /**< "URLENCODED"..., empty: none */
    bool force_body_variable;
    bool body_access;
    bool response_access;
    unsigned arguments_combined;
    /* decisions */
    enum waf_engine engine;
    enum waf_phase phase;
    struct waf_removed *removed;
    const char *skip_after;
    unsigned skip;
    enum { WAF_GO_ON, WAF_TO_RESPONSE, WAF_TO_LOGGING } allowed;
    int status; /**< what the request is refused with; 0: it is not */
    bool drop;
    const char *redirect;
    const struct waf_rule *refused_by;
    int highest_severity; /**< 255: none */
    struct span matched_var, matched_name;
};

/** The request line and what is known of the connection. */
struct waf_request {
    struct span method, target, protocol; /**< as sent: "GET", "/a?b", "HTTP/1.1" */
    struct span client_address, server_name;
    unsigned client_port, server_port;
    struct span unique_id;
    const struct waf_member *headers; /**< in their order, names as sent */
    unsigned header_count;
    nsec_t wall; /**< wall clock */
    nsec_t now;  /**< monotonic */
};

/** @param memory_max  bytes that the transaction may take */
struct waf_transaction *waf_transaction_create(const struct waf_rules *rules,
                                               const struct waf_request *request,
                                               const struct waf_ops *ops, size_t memory_max);
void waf_transaction_destroy(struct waf_transaction *t);

/** Reads the body with the processor in force (waf_transaction.body_processor). */
void waf_transaction_body(struct waf_transaction *t, struct span body);
void waf_transaction_response(struct waf_transaction *t, int status,
                              const struct waf_member *headers, unsigned header_count);
void waf_transaction_response_body(struct waf_transaction *t, struct span body);

/* ---- values ---- */

/** Adds a member; text that is not the transaction's is copied by the caller before. */
void waf_add(struct waf_transaction *t, struct waf_collection *collection, struct span name,
             struct span value);
/** A copy that lives as long as the transaction; empty when the arena is full. */
struct span waf_copy(struct waf_transaction *t, struct span text);
struct span waf_number(struct waf_transaction *t, long long number);
void waf_set_scalar(struct waf_transaction *t, enum waf_variable variable, struct span value);
/** The collection that rules set things in, or NULL. */
struct waf_collection *waf_collection_of(struct waf_transaction *t, enum waf_variable variable);
struct waf_member *waf_find(struct waf_collection *collection, struct span name);

/** All values of a variable, or those of a target's key, as members whose names are the parts after
 *  the colon. @return in the arena */
struct waf_collection waf_values(struct waf_transaction *t, const struct waf_target *target);
/** Expands %{...}. */
struct span waf_expand(struct waf_transaction *t, const struct waf_macro *macro);

/* ---- body processors (body_*.c) ---- */

/** Says that the body could not be read. @param why  static */
void waf_body_error(struct waf_transaction *t, const char *why);
/** Arguments of a query or a form. @param post  they are of the body */
void waf_read_arguments(struct waf_transaction *t, struct span text, bool post);
void waf_read_multipart(struct waf_transaction *t, struct span body, struct span content_type);
void waf_read_json(struct waf_transaction *t, struct span body);
void waf_read_xml(struct waf_transaction *t, struct span body);
