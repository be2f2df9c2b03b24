/* Rules of the Windows Firewall through INetFwPolicy2. Each call opens the interface and lets it go
 * again: rules are read once and made a handful at a time. */
#define COBJMACROS
#define INITGUID
#include <windows.h>

#include <netfw.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "firewall/windows/policy.h"

struct session {
    bool com; /* CoInitializeEx() is to be paired */
    INetFwPolicy2 *policy;
    INetFwRules *rules;
};

static int error_of(HRESULT result)
{
    if (SUCCEEDED(result))
        return 0;
    return result == E_ACCESSDENIED ? -EACCES : result == E_INVALIDARG ? -EINVAL : -EIO;
}

static void session_close(struct session *session)
{
    if (session->rules)
        INetFwRules_Release(session->rules);
    if (session->policy)
        INetFwPolicy2_Release(session->policy);
    if (session->com)
        CoUninitialize();
}

/* A thread that reads no window messages belongs into this apartment; one that is in another
 * already may go on there. */
static int session_open(struct session *session)
{
    HRESULT result = CoInitializeEx(NULL, COINIT_MULTITHREADED);

    *session = (struct session){.com = SUCCEEDED(result)};
    if (FAILED(result) && result != RPC_E_CHANGED_MODE)
        return -EIO;
    result = CoCreateInstance(&CLSID_NetFwPolicy2, NULL, CLSCTX_INPROC_SERVER, &IID_INetFwPolicy2,
                              (void **)&session->policy);
    if (SUCCEEDED(result))
        result = INetFwPolicy2_get_Rules(session->policy, &session->rules);
    if (FAILED(result))
        session_close(session);
    return error_of(result);
}

/* ---- text ---- */

/* @return for SysFreeString(), or NULL for what is too long or no UTF-8 */
static BSTR text_of(const char *utf8)
{
    wchar_t wide[POLICY_TEXT_MAX];

    if (!MultiByteToWideChar(CP_UTF8, MB_ERR_INVALID_CHARS, utf8, -1, wide, POLICY_TEXT_MAX))
        return NULL;
    return SysAllocString(wide);
}

static void release_text(BSTR *text)
{
    SysFreeString(*text);
}

/* @return for free(), or NULL for none */
static char *utf8_of(BSTR text)
{
    UINT length = SysStringLen(text);
    char *utf8 = length ? mem_alloc(3 * (size_t)length + 1) : NULL;

    if (utf8) {
        int bytes =
            WideCharToMultiByte(CP_UTF8, 0, text, (int)length, utf8, 3 * (int)length, NULL, NULL);
        utf8[bytes] = '\0';
    }
    SysFreeString(text);
    return utf8;
}

/* "*" stands for any. */
static char *unless_any(char *text)
{
    if (text && strcmp(text, "*") == 0) {
        free(text);
        return NULL;
    }
    return text;
}

/* ---- reading ---- */

/* @return whether the interface told all of it */
static bool read_rule(INetFwRule *object, struct policy_rule *ret_rule)
{
    BSTR name = NULL, ports = NULL, remote = NULL, program = NULL, service = NULL;
    NET_FW_RULE_DIRECTION direction = NET_FW_RULE_DIR_IN;
    NET_FW_ACTION action = NET_FW_ACTION_ALLOW;
    VARIANT_BOOL enabled = VARIANT_FALSE;
    LONG protocol = 0, profiles = 0;
    bool told = SUCCEEDED(INetFwRule_get_Name(object, &name)) &&
                SUCCEEDED(INetFwRule_get_Protocol(object, &protocol)) &&
                SUCCEEDED(INetFwRule_get_Direction(object, &direction)) &&
                SUCCEEDED(INetFwRule_get_Action(object, &action)) &&
                SUCCEEDED(INetFwRule_get_Enabled(object, &enabled)) &&
                SUCCEEDED(INetFwRule_get_Profiles(object, &profiles));

    /* These are not there for every protocol: what is not told is any. */
    if (FAILED(INetFwRule_get_LocalPorts(object, &ports)))
        ports = NULL;
    if (FAILED(INetFwRule_get_RemoteAddresses(object, &remote)))
        remote = NULL;
    if (FAILED(INetFwRule_get_ApplicationName(object, &program)))
        program = NULL;
    if (FAILED(INetFwRule_get_ServiceName(object, &service)))
        service = NULL;
    *ret_rule = (struct policy_rule){
        .name = utf8_of(name),
        .ports = unless_any(utf8_of(ports)),
        .remote = unless_any(utf8_of(remote)),
        .program = utf8_of(program),
        .protocol = (int)protocol,
        .profiles = (unsigned)profiles & ((1u << POLICY_PROFILES) - 1),
        .out = direction == NET_FW_RULE_DIR_OUT,
        .block = action == NET_FW_ACTION_BLOCK,
        .enabled = enabled != VARIANT_FALSE,
    };
    char *of_service = utf8_of(service);
    if (!ret_rule->program)
        ret_rule->program = of_service;
    else
        free(of_service);
    if (told && ret_rule->name)
        return true;
    policy_rule_finish(ret_rule);
    return false;
}

static bool is_wanted(const struct policy_rule *rule)
{
    return strncmp(rule->name, "gardien ", 8) == 0 || (!rule->out && rule->enabled);
}

static void keep_rule(struct policy *policy, struct policy_rule *rule)
{
    if (!is_wanted(rule)) {
        policy_rule_finish(rule);
    } else if (policy->count == POLICY_RULES_MAX) {
        policy->cut = true;
        policy_rule_finish(rule);
    } else {
        policy->rules = mem_resize(policy->rules, policy->count + 1, sizeof *policy->rules);
        policy->rules[policy->count++] = *rule;
    }
}

/* Takes one that was enumerated. @return whether it could be read */
static bool take_rule(struct policy *policy, VARIANT *item)
{
    struct policy_rule rule;
    INetFwRule *object = NULL;
    bool told =
        item->vt == VT_DISPATCH && item->pdispVal &&
        SUCCEEDED(IDispatch_QueryInterface(item->pdispVal, &IID_INetFwRule, (void **)&object)) &&
        read_rule(object, &rule);

    if (object)
        INetFwRule_Release(object);
    if (told)
        keep_rule(policy, &rule);
    return told;
}

static void read_rules(const struct session *session, struct policy *policy)
{
    IUnknown *unknown = NULL;
    IEnumVARIANT *list = NULL;
    HRESULT result = INetFwRules_get__NewEnum(session->rules, &unknown);

    if (SUCCEEDED(result) && unknown)
        result = IUnknown_QueryInterface(unknown, &IID_IEnumVARIANT, (void **)&list);
    policy->rules_known = SUCCEEDED(result) && list;
    while (policy->rules_known) {
        VARIANT item;
        ULONG fetched = 0;
        VariantInit(&item);
        result = IEnumVARIANT_Next(list, 1, &item, &fetched);
        if (result != S_OK || fetched == 0)
            break;
        (void)take_rule(policy, &item); /* one that cannot be read is none of ours */
        VariantClear(&item);
    }
    policy->rules_known = policy->rules_known && SUCCEEDED(result);
    if (list)
        IEnumVARIANT_Release(list);
    if (unknown)
        IUnknown_Release(unknown);
}

static void read_profiles(const struct session *session, struct policy *policy)
{
    static const NET_FW_PROFILE_TYPE2 types[POLICY_PROFILES] = {
        NET_FW_PROFILE2_DOMAIN, NET_FW_PROFILE2_PRIVATE, NET_FW_PROFILE2_PUBLIC};
    NET_FW_MODIFY_STATE modify = NET_FW_MODIFY_STATE_OK;
    LONG active = 0;
    bool known = SUCCEEDED(INetFwPolicy2_get_CurrentProfileTypes(session->policy, &active));

    policy->active = (unsigned)active & ((1u << POLICY_PROFILES) - 1);
    for (unsigned i = 0; i < POLICY_PROFILES; i++) {
        VARIANT_BOOL enabled = VARIANT_FALSE, blocks = VARIANT_FALSE;
        NET_FW_ACTION action = NET_FW_ACTION_BLOCK;
        known =
            known &&
            SUCCEEDED(INetFwPolicy2_get_FirewallEnabled(session->policy, types[i], &enabled)) &&
            SUCCEEDED(
                INetFwPolicy2_get_BlockAllInboundTraffic(session->policy, types[i], &blocks)) &&
            SUCCEEDED(INetFwPolicy2_get_DefaultInboundAction(session->policy, types[i], &action));
        policy->enabled |= enabled != VARIANT_FALSE ? 1u << i : 0;
        policy->blocks_all |= blocks != VARIANT_FALSE ? 1u << i : 0;
        policy->allows_all |= action == NET_FW_ACTION_ALLOW ? 1u << i : 0;
    }
    policy->profiles_known = known;
    /* It also says when all is blocked, which was asked for already. */
    policy->overridden =
        SUCCEEDED(INetFwPolicy2_get_LocalPolicyModifyState(session->policy, &modify)) &&
        modify == NET_FW_MODIFY_STATE_GP_OVERRIDE;
}

void policy_read(struct policy *ret_policy)
{
    struct session session;

    *ret_policy = (struct policy){.seen = false};
    if (session_open(&session) < 0)
        return;
    ret_policy->seen = true;
    read_profiles(&session, ret_policy);
    read_rules(&session, ret_policy);
    session_close(&session);
}

/* ---- orders ---- */

static long profiles_of(unsigned profiles)
{
    return (profiles & POLICY_DOMAIN ? NET_FW_PROFILE2_DOMAIN : 0) |
           (profiles & POLICY_PRIVATE ? NET_FW_PROFILE2_PRIVATE : 0) |
           (profiles & POLICY_PUBLIC ? NET_FW_PROFILE2_PUBLIC : 0);
}

/* The protocol goes before the ports, which Windows refuses without one. */
static HRESULT fill(INetFwRule *object, const struct policy_rule *rule, BSTR name)
{
    scoped(release_text) BSTR ports = rule->ports ? text_of(rule->ports) : NULL;
    scoped(release_text) BSTR remote = rule->remote ? text_of(rule->remote) : NULL;
    HRESULT result = INetFwRule_put_Name(object, name);

    if ((rule->ports && !ports) || (rule->remote && !remote))
        return E_INVALIDARG;
    if (SUCCEEDED(result))
        result = INetFwRule_put_Protocol(object, rule->protocol);
    if (SUCCEEDED(result) && ports)
        result = INetFwRule_put_LocalPorts(object, ports);
    if (SUCCEEDED(result) && remote)
        result = INetFwRule_put_RemoteAddresses(object, remote);
    if (SUCCEEDED(result))
        result =
            INetFwRule_put_Direction(object, rule->out ? NET_FW_RULE_DIR_OUT : NET_FW_RULE_DIR_IN);
    if (SUCCEEDED(result))
        result = INetFwRule_put_Profiles(object, profiles_of(rule->profiles));
    if (SUCCEEDED(result))
        result =
            INetFwRule_put_Action(object, rule->block ? NET_FW_ACTION_BLOCK : NET_FW_ACTION_ALLOW);
    if (SUCCEEDED(result))
        result = INetFwRule_put_Enabled(object, rule->enabled ? VARIANT_TRUE : VARIANT_FALSE);
    return result;
}

static HRESULT add_rule(const struct session *session, const struct policy_rule *rule, BSTR name)
{
    scoped(release_text) BSTR program = rule->program ? text_of(rule->program) : NULL;
    INetFwRule *object = NULL;
    HRESULT result = CoCreateInstance(&CLSID_NetFwRule, NULL, CLSCTX_INPROC_SERVER, &IID_INetFwRule,
                                      (void **)&object);

    if (FAILED(result))
        return result;
    result = fill(object, rule, name);
    if (SUCCEEDED(result) && program)
        result = INetFwRule_put_ApplicationName(object, program);
    if (SUCCEEDED(result))
        result = INetFwRules_Add(session->rules, object);
    INetFwRule_Release(object);
    return result;
}

/* Whether one call removes one rule of a name or all is not documented. */
static HRESULT remove_rules(const struct session *session, BSTR name)
{
    HRESULT result = S_OK;

    for (int i = 0; i < POLICY_RULES_MAX && SUCCEEDED(result); i++) {
        INetFwRule *object = NULL;
        result = INetFwRules_Remove(session->rules, name);
        if (FAILED(INetFwRules_Item(session->rules, name, &object)) || !object)
            break;
        INetFwRule_Release(object);
    }
    return result;
}

static bool is_meant(const struct policy_rule *there, const struct policy_rule *meant)
{
    return strcmp(there->name, meant->name) == 0 && there->out == meant->out &&
           there->protocol == meant->protocol && there->ports && meant->ports &&
           strcmp(there->ports, meant->ports) == 0;
}

static HRESULT switch_one(VARIANT *item, const struct policy_rule *meant)
{
    struct policy_rule rule;
    INetFwRule *object = NULL;
    HRESULT result = S_OK;

    if (item->vt != VT_DISPATCH || !item->pdispVal ||
        FAILED(IDispatch_QueryInterface(item->pdispVal, &IID_INetFwRule, (void **)&object)))
        return S_OK;
    if (read_rule(object, &rule)) {
        if (is_meant(&rule, meant))
            result = INetFwRule_put_Enabled(object, meant->enabled ? VARIANT_TRUE : VARIANT_FALSE);
        policy_rule_finish(&rule);
    }
    INetFwRule_Release(object);
    return result;
}

static HRESULT switch_rules(const struct session *session, const struct policy_rule *meant)
{
    IUnknown *unknown = NULL;
    IEnumVARIANT *list = NULL;
    ULONG fetched = 1;
    HRESULT result = INetFwRules_get__NewEnum(session->rules, &unknown);

    if (SUCCEEDED(result))
        result = IUnknown_QueryInterface(unknown, &IID_IEnumVARIANT, (void **)&list);
    while (SUCCEEDED(result)) {
        VARIANT item;
        VariantInit(&item);
        if (IEnumVARIANT_Next(list, 1, &item, &fetched) != S_OK || fetched == 0)
            break;
        result = switch_one(&item, meant);
        VariantClear(&item);
    }
    if (list)
        IEnumVARIANT_Release(list);
    if (unknown)
        IUnknown_Release(unknown);
    return result;
}

int policy_obey(const struct policy_order *order)
{
    scoped(release_text) BSTR name = text_of(order->rule.name);
    struct session session;
    HRESULT result = S_OK;

    if (!name)
        return -EINVAL;
    int r = session_open(&session);
    if (r < 0)
        return r;
    switch (order->verb) {
    case POLICY_ADD:
        result = add_rule(&session, &order->rule, name);
        break;
    case POLICY_REMOVE:
        result = remove_rules(&session, name);
        break;
    case POLICY_SWITCH:
        result = switch_rules(&session, &order->rule);
        break;
    }
    session_close(&session);
    return error_of(result);
}
