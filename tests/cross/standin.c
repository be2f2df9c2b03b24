/* Stands for the Windows Firewall where tests run: an INetFwPolicy2 that keeps its rules in the
 * file that the environment variable FIREWALL names, and refuses what Windows refuses. wine's own
 * keeps none. The file's first line are the masks of profiles (active, enabled, all
 * blocked), whether the caller is an administrator, and whether a group policy outweighs local
 * rules; each further line is a rule, its parts between tabs. */
#define COBJMACROS
#define INITGUID
#include <windows.h>

#include <netfw.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { RULES_MAX = 256, TEXT_MAX = 256 };

struct rule {
    INetFwRule face;
    bool stored;
    wchar_t name[TEXT_MAX], ports[TEXT_MAX], remote[TEXT_MAX], program[TEXT_MAX];
    LONG protocol, profiles;
    int direction, action, enabled;
};

static struct rule *rules[RULES_MAX];
static size_t rule_count;
static unsigned active, enabled, blocks_all, is_administrator, is_overridden;

/* Methods that nobody here calls. Their arguments are the caller's to clear on 64 bits. */
static HRESULT WINAPI refuse(void *face)
{
    (void)face;
    return E_NOTIMPL;
}

static ULONG WINAPI count_nothing(void *face)
{
    (void)face;
    return 1; /* all lives as long as the process */
}

/* ---- the file ---- */

static void write_text(FILE *file, const wchar_t *text, char end)
{
    char utf8[3 * TEXT_MAX];

    if (!WideCharToMultiByte(CP_UTF8, 0, text, -1, utf8, sizeof utf8, NULL, NULL))
        abort();
    fprintf(file, "%s%c", utf8, end);
}

static void save(void)
{
    FILE *file = fopen(getenv("FIREWALL"), "wb");

    if (!file)
        abort();
    fprintf(file, "%u %u %u %u %u\n", active, enabled, blocks_all, is_administrator, is_overridden);
    for (size_t i = 0; i < rule_count; i++) {
        const struct rule *rule = rules[i];
        fprintf(file, "%ld\t%ld\t%d\t%d\t%d\t", (long)rule->protocol, (long)rule->profiles,
                rule->direction, rule->action, rule->enabled);
        write_text(file, rule->name, '\t');
        write_text(file, rule->ports, '\t');
        write_text(file, rule->remote, '\t');
        write_text(file, rule->program, '\n');
    }
    fclose(file);
}

static struct rule *make_rule(void);

static const char *read_text(const char *at, wchar_t *text)
{
    char utf8[3 * TEXT_MAX];
    size_t len = strcspn(at, "\t\r\n");

    if (len >= sizeof utf8)
        abort();
    memcpy(utf8, at, len);
    utf8[len] = '\0';
    if (!MultiByteToWideChar(CP_UTF8, 0, utf8, -1, text, TEXT_MAX))
        abort();
    return at[len] ? at + len + 1 : at + len;
}

static void load(void)
{
    FILE *file = fopen(getenv("FIREWALL"), "rb");
    char line[4096];

    if (!file || !fgets(line, sizeof line, file) ||
        sscanf(line, "%u %u %u %u %u", &active, &enabled, &blocks_all, &is_administrator,
               &is_overridden) != 5)
        abort();
    rule_count = 0;
    while (fgets(line, sizeof line, file) && rule_count < RULES_MAX) {
        struct rule *rule = make_rule();
        long protocol, profiles;
        int used = 0;
        if (sscanf(line, "%ld %ld %d %d %d %n", &protocol, &profiles, &rule->direction,
                   &rule->action, &rule->enabled, &used) != 5)
            abort();
        rule->protocol = protocol;
        rule->profiles = profiles;
        const char *at = read_text(line + used, rule->name);
        at = read_text(at, rule->ports);
        at = read_text(at, rule->remote);
        read_text(at, rule->program);
        rule->stored = true;
        rules[rule_count++] = rule;
    }
    fclose(file);
}

/* ---- a rule ---- */

static struct rule *rule_of(INetFwRule *face)
{
    return (struct rule *)face;
}

static HRESULT WINAPI rule_query(INetFwRule *face, REFIID id, void **ret)
{
    (void)id;
    *ret = face;
    return S_OK;
}

#define TEXT_MEMBER(Name, member)                                                                  \
    static HRESULT WINAPI rule_get_##Name(INetFwRule *face, BSTR *ret)                             \
    {                                                                                              \
        *ret = SysAllocString(rule_of(face)->member);                                              \
        return S_OK;                                                                               \
    }                                                                                              \
    static HRESULT WINAPI rule_put_##Name(INetFwRule *face, BSTR text)                             \
    {                                                                                              \
        if (!text || wcslen(text) >= TEXT_MAX)                                                     \
            return E_INVALIDARG;                                                                   \
        wcscpy(rule_of(face)->member, text);                                                       \
        return S_OK;                                                                               \
    }
TEXT_MEMBER(Name, name)
TEXT_MEMBER(ApplicationName, program)

static HRESULT WINAPI rule_get_LocalPorts(INetFwRule *face, BSTR *ret)
{
    *ret = SysAllocString(*rule_of(face)->ports ? rule_of(face)->ports : L"*");
    return S_OK;
}

/* As Windows: ports belong to a protocol that has such. */
static HRESULT WINAPI rule_put_LocalPorts(INetFwRule *face, BSTR text)
{
    struct rule *rule = rule_of(face);

    if (!text || wcslen(text) >= TEXT_MAX || (rule->protocol != 6 && rule->protocol != 17))
        return E_INVALIDARG;
    wcscpy(rule->ports, text);
    return S_OK;
}

static HRESULT WINAPI rule_get_RemoteAddresses(INetFwRule *face, BSTR *ret)
{
    *ret = SysAllocString(*rule_of(face)->remote ? rule_of(face)->remote : L"*");
    return S_OK;
}

/* As Windows: a prefix of IPv4 is kept as a mask. */
static HRESULT WINAPI rule_put_RemoteAddresses(INetFwRule *face, BSTR text)
{
    const wchar_t *slash = wcschr(text, L'/');
    struct rule *rule = rule_of(face);

    if (wcslen(text) >= TEXT_MAX / 2)
        return E_INVALIDARG;
    wcscpy(rule->remote, text);
    if (wcschr(text, L':') || (slash && wcschr(slash, L'.')))
        return S_OK;
    unsigned prefix = slash ? (unsigned)wcstoul(slash + 1, NULL, 10) : 32;
    unsigned mask = prefix ? ~0u << (32 - prefix) : 0;
    size_t len = slash ? (size_t)(slash - text) : wcslen(text);
    swprintf(rule->remote + len, TEXT_MAX - len, L"/%u.%u.%u.%u", mask >> 24, mask >> 16 & 255,
             mask >> 8 & 255, mask & 255);
    return S_OK;
}

#define NUMBER_MEMBER(Name, Type, member)                                                          \
    static HRESULT WINAPI rule_get_##Name(INetFwRule *face, Type *ret)                             \
    {                                                                                              \
        *ret = (Type)rule_of(face)->member;                                                        \
        return S_OK;                                                                               \
    }                                                                                              \
    static HRESULT WINAPI rule_put_##Name(INetFwRule *face, Type value)                            \
    {                                                                                              \
        if (rule_of(face)->stored && !is_administrator)                                            \
            return E_ACCESSDENIED;                                                                 \
        rule_of(face)->member = value;                                                             \
        if (rule_of(face)->stored)                                                                 \
            save();                                                                                \
        return S_OK;                                                                               \
    }
NUMBER_MEMBER(Protocol, LONG, protocol)
NUMBER_MEMBER(Profiles, LONG, profiles)
NUMBER_MEMBER(Direction, NET_FW_RULE_DIRECTION, direction)
NUMBER_MEMBER(Action, NET_FW_ACTION, action)
NUMBER_MEMBER(Enabled, VARIANT_BOOL, enabled)

/* One that is for no service says nothing, and succeeds. */
static HRESULT WINAPI rule_get_ServiceName(INetFwRule *face, BSTR *ret)
{
    (void)face;
    *ret = NULL;
    return S_OK;
}

static INetFwRuleVtbl rule_methods;

static struct rule *make_rule(void)
{
    struct rule *rule = calloc(1, sizeof *rule);

    if (!rule)
        abort();
    rule->face.lpVtbl = &rule_methods;
    rule->direction = NET_FW_RULE_DIR_IN;
    rule->action = NET_FW_ACTION_BLOCK;
    rule->profiles = 0x7fffffff;
    rule->protocol = 256;
    return rule;
}

/* ---- the list of rules ---- */

static HRESULT WINAPI rules_query(INetFwRules *face, REFIID id, void **ret)
{
    (void)id;
    *ret = face;
    return S_OK;
}

static HRESULT WINAPI rules_Add(INetFwRules *face, INetFwRule *rule)
{
    (void)face;
    if (!is_administrator)
        return E_ACCESSDENIED;
    if (rule_count == RULES_MAX)
        return E_OUTOFMEMORY;
    rule_of(rule)->stored = true;
    rules[rule_count++] = rule_of(rule);
    save();
    return S_OK;
}

/* One of the name; the documents of Windows do not say whether all of them go. */
static HRESULT WINAPI rules_Remove(INetFwRules *face, BSTR name)
{
    (void)face;
    if (!is_administrator)
        return E_ACCESSDENIED;
    for (size_t i = 0; i < rule_count; i++)
        if (wcscmp(rules[i]->name, name) == 0) {
            memmove(rules + i, rules + i + 1, (rule_count - i - 1) * sizeof *rules);
            rule_count--;
            save();
            break;
        }
    return S_OK;
}

static HRESULT WINAPI rules_Item(INetFwRules *face, BSTR name, INetFwRule **ret)
{
    (void)face;
    for (size_t i = 0; i < rule_count; i++)
        if (wcscmp(rules[i]->name, name) == 0) {
            *ret = &rules[i]->face;
            return S_OK;
        }
    return HRESULT_FROM_WIN32(ERROR_FILE_NOT_FOUND);
}

static size_t enumerated;

static HRESULT WINAPI list_query(IEnumVARIANT *face, REFIID id, void **ret)
{
    (void)id;
    *ret = face;
    return S_OK;
}

static HRESULT WINAPI list_Next(IEnumVARIANT *face, ULONG wanted, VARIANT *ret, ULONG *ret_count)
{
    (void)face;
    *ret_count = 0;
    if (wanted == 0 || enumerated == rule_count)
        return S_FALSE;
    ret->vt = VT_DISPATCH;
    ret->pdispVal = (IDispatch *)&rules[enumerated++]->face;
    *ret_count = 1;
    return S_OK;
}

static IEnumVARIANTVtbl list_methods;
static IEnumVARIANT list = {&list_methods};

static HRESULT WINAPI rules_get__NewEnum(INetFwRules *face, IUnknown **ret)
{
    (void)face;
    enumerated = 0;
    *ret = (IUnknown *)&list;
    return S_OK;
}

static INetFwRulesVtbl rules_methods;
static INetFwRules rules_face = {&rules_methods};

/* ---- the policy ---- */

static HRESULT WINAPI policy_query(INetFwPolicy2 *face, REFIID id, void **ret)
{
    (void)id;
    *ret = face;
    return S_OK;
}

static HRESULT WINAPI policy_get_CurrentProfileTypes(INetFwPolicy2 *face, LONG *ret)
{
    (void)face;
    *ret = (LONG)active;
    return S_OK;
}

static HRESULT WINAPI policy_get_FirewallEnabled(INetFwPolicy2 *face, NET_FW_PROFILE_TYPE2 type,
                                                 VARIANT_BOOL *ret)
{
    (void)face;
    *ret = enabled & (unsigned)type ? VARIANT_TRUE : VARIANT_FALSE;
    return S_OK;
}

static HRESULT WINAPI policy_get_BlockAllInboundTraffic(INetFwPolicy2 *face,
                                                        NET_FW_PROFILE_TYPE2 type,
                                                        VARIANT_BOOL *ret)
{
    (void)face;
    *ret = blocks_all & (unsigned)type ? VARIANT_TRUE : VARIANT_FALSE;
    return S_OK;
}

static HRESULT WINAPI policy_get_DefaultInboundAction(INetFwPolicy2 *face,
                                                      NET_FW_PROFILE_TYPE2 type, NET_FW_ACTION *ret)
{
    (void)face;
    (void)type;
    *ret = NET_FW_ACTION_BLOCK;
    return S_OK;
}

static HRESULT WINAPI policy_get_LocalPolicyModifyState(INetFwPolicy2 *face,
                                                        NET_FW_MODIFY_STATE *ret)
{
    (void)face;
    *ret = is_overridden ? NET_FW_MODIFY_STATE_GP_OVERRIDE : NET_FW_MODIFY_STATE_OK;
    return S_OK;
}

static HRESULT WINAPI policy_get_Rules(INetFwPolicy2 *face, INetFwRules **ret)
{
    (void)face;
    *ret = &rules_face;
    return S_OK;
}

static INetFwPolicy2Vtbl policy_methods;
static INetFwPolicy2 policy_face = {&policy_methods};

/* ---- how COM gets here ---- */

static HRESULT WINAPI factory_query(IClassFactory *face, REFIID id, void **ret)
{
    (void)id;
    *ret = face;
    return S_OK;
}

static HRESULT WINAPI make_policy(IClassFactory *face, IUnknown *outer, REFIID id, void **ret)
{
    (void)face;
    (void)outer;
    (void)id;
    load();
    *ret = &policy_face;
    return S_OK;
}

static HRESULT WINAPI make_new_rule(IClassFactory *face, IUnknown *outer, REFIID id, void **ret)
{
    (void)face;
    (void)outer;
    (void)id;
    *ret = &make_rule()->face;
    return S_OK;
}

static IClassFactoryVtbl policy_factory_methods, rule_factory_methods;
static IClassFactory policy_factory = {&policy_factory_methods};
static IClassFactory rule_factory = {&rule_factory_methods};

#define SET(table, method, function) (table).method = (void *)(function)

static void refuse_all(void *table, size_t size)
{
    void **methods = table;

    for (size_t i = 0; i < size / sizeof *methods; i++)
        methods[i] = (void *)refuse;
    methods[1] = methods[2] = (void *)count_nothing; /* AddRef, Release */
}

static void fill_tables(void)
{
    refuse_all(&rule_methods, sizeof rule_methods);
    SET(rule_methods, QueryInterface, rule_query);
#define BOTH(Name)                                                                                 \
    SET(rule_methods, get_##Name, rule_get_##Name);                                                \
    SET(rule_methods, put_##Name, rule_put_##Name)
    BOTH(Name);
    BOTH(ApplicationName);
    BOTH(LocalPorts);
    BOTH(RemoteAddresses);
    BOTH(Protocol);
    BOTH(Profiles);
    BOTH(Direction);
    BOTH(Action);
    BOTH(Enabled);
    SET(rule_methods, get_ServiceName, rule_get_ServiceName);
    refuse_all(&rules_methods, sizeof rules_methods);
    SET(rules_methods, QueryInterface, rules_query);
    SET(rules_methods, Add, rules_Add);
    SET(rules_methods, Remove, rules_Remove);
    SET(rules_methods, Item, rules_Item);
    SET(rules_methods, get__NewEnum, rules_get__NewEnum);
    refuse_all(&list_methods, sizeof list_methods);
    SET(list_methods, QueryInterface, list_query);
    SET(list_methods, Next, list_Next);
    refuse_all(&policy_methods, sizeof policy_methods);
    SET(policy_methods, QueryInterface, policy_query);
    SET(policy_methods, get_CurrentProfileTypes, policy_get_CurrentProfileTypes);
    SET(policy_methods, get_FirewallEnabled, policy_get_FirewallEnabled);
    SET(policy_methods, get_BlockAllInboundTraffic, policy_get_BlockAllInboundTraffic);
    SET(policy_methods, get_DefaultInboundAction, policy_get_DefaultInboundAction);
    SET(policy_methods, get_Rules, policy_get_Rules);
    SET(policy_methods, get_LocalPolicyModifyState, policy_get_LocalPolicyModifyState);
    refuse_all(&policy_factory_methods, sizeof policy_factory_methods);
    SET(policy_factory_methods, QueryInterface, factory_query);
    SET(policy_factory_methods, CreateInstance, make_policy);
    refuse_all(&rule_factory_methods, sizeof rule_factory_methods);
    SET(rule_factory_methods, QueryInterface, factory_query);
    SET(rule_factory_methods, CreateInstance, make_new_rule);
}

__declspec(dllexport) HRESULT WINAPI DllGetClassObject(REFCLSID class, REFIID id, void **ret)
{
    (void)id;
    fill_tables();
    *ret = IsEqualCLSID(class, &CLSID_NetFwRule) ? &rule_factory : &policy_factory;
    return S_OK;
}

__declspec(dllexport) HRESULT WINAPI DllCanUnloadNow(void)
{
    return S_FALSE;
}
