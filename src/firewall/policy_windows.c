/* Rules of the Windows Firewall through INetFwPolicy2. Each call opens the interface and lets it go
 * again: rules are made a handful at a time. */
#define COBJMACROS
#define INITGUID
#include <windows.h>

#include <netfw.h>

#include <errno.h>
#include <stdio.h>

#include "firewall/policy.h"

struct policy {
    bool com; /* CoInitializeEx() is to be paired */
    INetFwPolicy2 *face;
    INetFwRules *rules;
};

static int error_of(HRESULT result)
{
    if (SUCCEEDED(result))
        return 0;
    return result == E_ACCESSDENIED ? -EACCES : -EIO;
}

static void policy_close(struct policy *policy)
{
    if (policy->rules)
        INetFwRules_Release(policy->rules);
    if (policy->face)
        INetFwPolicy2_Release(policy->face);
    if (policy->com)
        CoUninitialize();
}

/* A thread that is in another apartment already may go on in that one. */
static int policy_open(struct policy *policy)
{
    HRESULT result = CoInitializeEx(NULL, COINIT_APARTMENTTHREADED);

    *policy = (struct policy){.com = SUCCEEDED(result)};
    if (FAILED(result) && result != RPC_E_CHANGED_MODE)
        return -EIO;
    result = CoCreateInstance(&CLSID_NetFwPolicy2, NULL, CLSCTX_INPROC_SERVER, &IID_INetFwPolicy2,
                              (void **)&policy->face);
    if (SUCCEEDED(result))
        result = INetFwPolicy2_get_Rules(policy->face, &policy->rules);
    if (FAILED(result))
        policy_close(policy);
    return error_of(result);
}

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

static bool is_there(const struct policy *policy, BSTR name)
{
    INetFwRule *rule = NULL;

    if (FAILED(INetFwRules_Item(policy->rules, name, &rule)) || !rule)
        return false;
    INetFwRule_Release(rule);
    return true;
}

static long profiles_of(unsigned profiles)
{
    return (profiles & POLICY_DOMAIN ? NET_FW_PROFILE2_DOMAIN : 0) |
           (profiles & POLICY_PRIVATE ? NET_FW_PROFILE2_PRIVATE : 0) |
           (profiles & POLICY_PUBLIC ? NET_FW_PROFILE2_PUBLIC : 0);
}

/* The protocol goes before the ports, which Windows refuses without one. */
static HRESULT fill(INetFwRule *face, const struct policy_rule *rule, BSTR name, BSTR remote)
{
    char number[8];
    HRESULT result = INetFwRule_put_Name(face, name);

    snprintf(number, sizeof number, "%u", rule->port);
    scoped(release_text) BSTR port = text_of(number);
    if (SUCCEEDED(result))
        result = INetFwRule_put_Protocol(face, rule->udp ? NET_FW_IP_PROTOCOL_UDP
                                                         : NET_FW_IP_PROTOCOL_TCP);
    if (SUCCEEDED(result))
        result = INetFwRule_put_LocalPorts(face, port);
    if (SUCCEEDED(result) && remote)
        result = INetFwRule_put_RemoteAddresses(face, remote);
    if (SUCCEEDED(result))
        result =
            INetFwRule_put_Direction(face, rule->out ? NET_FW_RULE_DIR_OUT : NET_FW_RULE_DIR_IN);
    if (SUCCEEDED(result))
        result = INetFwRule_put_Profiles(face, profiles_of(rule->profiles));
    if (SUCCEEDED(result))
        result = INetFwRule_put_Action(face, NET_FW_ACTION_ALLOW);
    if (SUCCEEDED(result))
        result = INetFwRule_put_Enabled(face, VARIANT_TRUE);
    return result;
}

static int add(const struct policy *policy, const struct policy_rule *rule, BSTR name, BSTR remote)
{
    INetFwRule *face = NULL;

    if (is_there(policy, name))
        return 0;
    HRESULT result = CoCreateInstance(&CLSID_NetFwRule, NULL, CLSCTX_INPROC_SERVER, &IID_INetFwRule,
                                      (void **)&face);
    if (FAILED(result))
        return error_of(result);
    result = fill(face, rule, name, remote);
    if (SUCCEEDED(result))
        result = INetFwRules_Add(policy->rules, face);
    INetFwRule_Release(face);
    return SUCCEEDED(result) ? 1 : error_of(result);
}

int policy_add(const struct policy_rule *rule)
{
    scoped(release_text) BSTR name = text_of(rule->name);
    scoped(release_text) BSTR remote = rule->remote ? text_of(rule->remote) : NULL;
    struct policy policy;

    if (!name || (rule->remote && !remote))
        return -EINVAL;
    int r = policy_open(&policy);
    if (r < 0)
        return r;
    r = add(&policy, rule, name, remote);
    policy_close(&policy);
    return r;
}

int policy_remove(const char *utf8)
{
    scoped(release_text) BSTR name = text_of(utf8);
    struct policy policy;

    if (!name)
        return -EINVAL;
    int r = policy_open(&policy);
    if (r < 0)
        return r;
    r = error_of(INetFwRules_Remove(policy.rules, name));
    policy_close(&policy);
    return r;
}
