/* Cloud providers as a table: what their machines' firmware says, and what their command line
 * takes. The values of DMI are those by which cloud-init's ds-identify tells providers, too. */
#include "firewall/plan/cloud.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/mem.h"
#include "report/printer.h"

enum { COMMANDS_MAX = 65536 };

/* How often a template is said. */
enum times {
    ONCE,            /* {rules} holds all ports */
    EACH_FAMILY,     /* the same for IPv4 and again for IPv6 */
    EACH_PORT,       /* one takes both families */
    EACH_PORT_FAMILY /* port by port, IPv4 and IPv6 */
};

struct cloud_provider {
    const char *name;
    const char *closed; /* what is let in by default */
    const char *find;   /* finds the words in capitals; may be NULL */
    const char *open;   /* markers: those of fill() */
    enum times times;
    const char *instance; /* file beneath /sys that holds the machine's id, or NULL */
    const char *instance_prefix;
};

static const struct cloud_provider aws = {
    "Amazon EC2",
    "a security group lets in only what it names",
    "aws ec2 describe-instances --instance-ids {instance} --output text "
    "--query 'Reservations[].Instances[].SecurityGroups[].GroupId'",
    "aws ec2 authorize-security-group-ingress --group-id SECURITY_GROUP_ID --ip-permissions "
    "'IpProtocol={proto},FromPort={port},ToPort={port},IpRanges=[{CidrIp=0.0.0.0/0}],"
    "Ipv6Ranges=[{CidrIpv6=::/0}]'",
    EACH_PORT,
    "class/dmi/id/board_asset_tag",
    "i-",
};
static const struct cloud_provider google = {
    "Google Compute Engine",
    "the network lets in only what its firewall rules name: on the default network SSH, RDP and "
    "ping",
    "gcloud compute instances describe INSTANCE --zone ZONE "
    "--format 'value(networkInterfaces[].network)'",
    "gcloud compute firewall-rules create gardien-{v} --network NETWORK --direction INGRESS "
    "--action ALLOW --rules {rules} --source-ranges {cidr}",
    EACH_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider azure = {
    "Microsoft Azure",
    "a network security group lets in only what it names",
    "az network nsg list --output table",
    "az network nsg rule create --resource-group RESOURCE_GROUP --nsg-name NSG_NAME "
    "--name gardien-{port}-{proto} --priority FREE_PRIORITY --direction Inbound --access Allow "
    "--protocol {Proto} --source-address-prefixes Internet --destination-port-ranges {port}",
    EACH_PORT,
    NULL,
    NULL,
};
static const struct cloud_provider oracle = {
    "Oracle Cloud",
    "the subnet's security list lets in SSH and ping only; its images have an iptables rule that "
    "rejects the rest as well",
    "oci network nsg list --compartment-id COMPARTMENT_OCID",
    "oci network nsg rules add --nsg-id NSG_OCID --security-rules "
    "'[{\"direction\":\"INGRESS\",\"protocol\":\"{number}\",\"sourceType\":\"CIDR_BLOCK\","
    "\"source\":\"{cidr}\",\"{proto}Options\":{\"destinationPortRange\":"
    "{\"min\":{port},\"max\":{port}}}}]'",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider hetzner = {
    "Hetzner Cloud",
    "everything is let in, unless a firewall is applied to the server",
    "hcloud firewall list",
    "hcloud firewall add-rule FIREWALL --direction in --protocol {proto} --port {port} "
    "--source-ips 0.0.0.0/0 --source-ips ::/0 --description gardien",
    EACH_PORT,
    NULL,
    NULL,
};
static const struct cloud_provider digitalocean = {
    "DigitalOcean",
    "everything is let in, unless a cloud firewall is applied to the droplet",
    "doctl compute firewall list --format ID,Name,DropletIDs",
    "doctl compute firewall add-rules FIREWALL_ID --inbound-rules "
    "'protocol:{proto},ports:{port},address:0.0.0.0/0,address:::/0'",
    EACH_PORT,
    NULL,
    NULL,
};
static const struct cloud_provider scaleway = {
    "Scaleway",
    "the security group's default policy decides; it accepts unless it was changed",
    "scw instance security-group list",
    "scw instance security-group create-rule security-group-id=SECURITY_GROUP_ID protocol={PROTO} "
    "direction=inbound action=accept ip-range={cidr} dest-port-from={port} zone=ZONE",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider vultr = {
    "Vultr",
    "everything is let in, unless a firewall group is linked to the machine",
    "vultr-cli firewall group list",
    "vultr-cli firewall rule create FIREWALL_GROUP_ID --ip-type {v} --protocol {proto} "
    "--subnet {any} --size 0 --port {port}",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider linode = {
    "Akamai Cloud (Linode)",
    "everything is let in, unless a Cloud Firewall is assigned; the command replaces all inbound "
    "rules, so add those that `rules-list` shows",
    "linode-cli firewalls rules-list FIREWALL_ID --json",
    "linode-cli firewalls rules-update FIREWALL_ID --inbound '[{objects}]'",
    ONCE,
    NULL,
    NULL,
};
static const struct cloud_provider alibaba = {
    "Alibaba Cloud",
    "a security group lets in only what it names",
    "aliyun ecs DescribeInstances --RegionId REGION_ID",
    "aliyun ecs AuthorizeSecurityGroup --RegionId REGION_ID --SecurityGroupId SECURITY_GROUP_ID "
    "--IpProtocol {proto} --PortRange {port}/{port} --{Ipv6}SourceCidrIp {cidr}",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider upcloud = {
    "UpCloud",
    "the server's own firewall decides where it is switched on",
    "upctl server list",
    "upctl server firewall create SERVER_UUID --direction in --action accept --family {family} "
    "--protocol {proto} --destination-port-start {port} --destination-port-end {port} "
    "--comment gardien",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider exoscale = {
    "Exoscale",
    "a security group lets in only what it names",
    "exo compute security-group list",
    "exo compute security-group rule add SECURITY_GROUP --flow ingress --protocol {proto} "
    "--port {port} --network {cidr} --description gardien",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider ionos = {
    "IONOS Cloud",
    "everything is let in, unless the firewall of the network card is switched on",
    "ionosctl datacenter list",
    "ionosctl firewallrule create --datacenter-id DATACENTER_ID --server-id SERVER_ID "
    "--nic-id NIC_ID --name gardien-{port}-{proto} --protocol {PROTO} --direction INGRESS "
    "--port-range-start {port} --port-range-end {port}",
    EACH_PORT,
    NULL,
    NULL,
};
static const struct cloud_provider tencent = {
    "Tencent Cloud",
    "a security group lets in only what it names",
    "tccli vpc DescribeSecurityGroups",
    "tccli vpc CreateSecurityGroupPolicies --SecurityGroupId SECURITY_GROUP_ID "
    "--SecurityGroupPolicySet '{\"Ingress\":[{\"Protocol\":\"{proto}\",\"Port\":\"{port}\","
    "\"{Ipv6}CidrBlock\":\"{cidr}\",\"Action\":\"accept\"}]}'",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};
static const struct cloud_provider openstack = {
    "OpenStack (OVHcloud and others)",
    "a security group lets in only what it names; some providers' default group lets in all",
    "openstack security group list",
    "openstack security group rule create SECURITY_GROUP --ingress --ethertype {family} "
    "--protocol {proto} --dst-port {port} --remote-ip {cidr}",
    EACH_PORT_FAMILY,
    NULL,
    NULL,
};

/* What is found in a file beneath /sys. A pattern that ends with "*" needs the beginning only, one
 * that begins with "*" the end. */
static const struct sign {
    const char *file, *pattern;
    const struct cloud_provider *provider;
} signs[] = {
    {"class/dmi/id/sys_vendor", "Amazon EC2", &aws},
    {"class/dmi/id/bios_version", "*.amazon", &aws}, /* machines under Xen */
    {"hypervisor/uuid", "ec2*", &aws},
    /* Chromebooks are Google's, too: the vendor alone does not tell. */
    {"class/dmi/id/product_name", "Google Compute Engine", &google},
    {"class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", &azure},
    {"class/dmi/id/chassis_asset_tag", "OracleCloud.com", &oracle},
    {"class/dmi/id/sys_vendor", "Hetzner", &hetzner},
    {"class/dmi/id/sys_vendor", "DigitalOcean", &digitalocean},
    {"class/dmi/id/sys_vendor", "Scaleway", &scaleway},
    {"class/dmi/id/product_name", "SCW-*", &scaleway},
    {"class/dmi/id/sys_vendor", "Vultr", &vultr},
    {"class/dmi/id/sys_vendor", "Linode", &linode},
    {"class/dmi/id/sys_vendor", "Akamai*", &linode},
    {"class/dmi/id/sys_vendor", "Alibaba Cloud*", &alibaba},
    {"class/dmi/id/product_name", "Alibaba Cloud*", &alibaba},
    {"class/dmi/id/sys_vendor", "UpCloud", &upcloud},
    {"class/dmi/id/sys_vendor", "Exoscale*", &exoscale},
    {"class/dmi/id/product_name", "Exoscale*", &exoscale},
    {"class/dmi/id/sys_vendor", "IONOS*", &ionos},
    {"class/dmi/id/sys_vendor", "Tencent Cloud", &tencent},
    {"class/dmi/id/sys_vendor", "OVH*", &openstack},
    {"class/dmi/id/product_name", "OpenStack*", &openstack},
    {"class/dmi/id/sys_vendor", "OpenStack*", &openstack},
    {"class/dmi/id/chassis_asset_tag", "OpenStack*", &openstack},
};

/* ---- which it is ---- */

/* The line in a file beneath /sys. @return its length; 0 where there is none */
static size_t read_line(const char *root, const char *file, char *line, size_t room)
{
    scoped(mem_release) char *path = mem_format("%s/sys/%s", root, file);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n = fd < 0 ? 0 : read(fd, line, room - 1);

    if (fd >= 0)
        close(fd);
    line[n > 0 ? n : 0] = '\0';
    size_t len = strcspn(line, "\n");
    while (len && line[len - 1] == ' ')
        len--;
    line[len] = '\0';
    return len;
}

static bool matches(const char *pattern, struct span line)
{
    struct span p = span_str(pattern);

    if (span_starts(p, SPAN("*")))
        return span_ends(line, span_from(p, 1));
    if (span_ends(p, SPAN("*")))
        return span_starts(line, span_of(p.ptr, p.len - 1));
    return span_equal(p, line);
}

/* Ids go into command lines that people paste: anything but an id is left out. */
static void read_instance(const char *root, struct cloud *cloud)
{
    const struct cloud_provider *provider = cloud->provider;
    char line[sizeof cloud->instance];

    if (!provider->instance)
        return;
    size_t len = read_line(root, provider->instance, line, sizeof line);
    if (!span_starts(span_of(line, len), span_str(provider->instance_prefix)) ||
        strspn(line, "abcdefghijklmnopqrstuvwxyz0123456789-") != len)
        return;
    memcpy(cloud->instance, line, len + 1);
}

bool cloud_detect(const char *root, struct cloud *ret_cloud)
{
    char line[256];

    *ret_cloud = (struct cloud){0};
    for (size_t i = 0; i < ARRAY_SIZE(signs); i++) {
        size_t len = read_line(root, signs[i].file, line, sizeof line);
        if (len && matches(signs[i].pattern, span_of(line, len))) {
            ret_cloud->provider = signs[i].provider;
            read_instance(root, ret_cloud);
            return true;
        }
    }
    return false;
}

const char *cloud_name(const struct cloud *cloud)
{
    return cloud->provider->name;
}

const char *cloud_default(const struct cloud *cloud)
{
    return cloud->provider->closed;
}

/* ---- command lines ---- */

/* What the markers of a template stand for. */
struct blanks {
    const struct cloud *cloud;
    const struct ports *ports;
    struct port port;
    bool ipv6;
};

/* "tcp:80,tcp:443,udp:443" */
static int fill_rules(struct buffer *out, const struct ports *ports)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ports->count; i++)
        r = buffer_printf(out, "%s%s:%u", i ? "," : "",
                          port_protocol_name(ports->items[i].protocol),
                          (unsigned)ports->items[i].number);
    return r;
}

/* One JSON object a port, as Linode's API takes them. */
static int fill_objects(struct buffer *out, const struct ports *ports)
{
    int r = 0;

    for (size_t i = 0; r == 0 && i < ports->count; i++)
        r = buffer_printf(out,
                          "%s{\"action\":\"ACCEPT\",\"protocol\":\"%s\",\"ports\":\"%u\","
                          "\"addresses\":{\"ipv4\":[\"0.0.0.0/0\"],\"ipv6\":[\"::/0\"]}}",
                          i ? "," : "", ports->items[i].protocol == PORT_TCP ? "TCP" : "UDP",
                          (unsigned)ports->items[i].number);
    return r;
}

static int fill(struct buffer *out, struct span marker, const struct blanks *blanks,
                bool *ret_known)
{
    bool tcp = blanks->port.protocol == PORT_TCP;
    const struct {
        struct span marker;
        const char *text;
    } words[] = {
        {SPAN("{proto}"), tcp ? "tcp" : "udp"},
        {SPAN("{Proto}"), tcp ? "Tcp" : "Udp"},
        {SPAN("{PROTO}"), tcp ? "TCP" : "UDP"},
        {SPAN("{number}"), tcp ? "6" : "17"},
        {SPAN("{cidr}"), blanks->ipv6 ? "::/0" : "0.0.0.0/0"},
        {SPAN("{any}"), blanks->ipv6 ? "::" : "0.0.0.0"},
        {SPAN("{family}"), blanks->ipv6 ? "IPv6" : "IPv4"},
        {SPAN("{Ipv6}"), blanks->ipv6 ? "Ipv6" : ""},
        {SPAN("{v}"), blanks->ipv6 ? "v6" : "v4"},
        {SPAN("{instance}"), blanks->cloud->instance[0] ? blanks->cloud->instance : "INSTANCE_ID"},
    };

    *ret_known = true;
    if (span_equal(marker, SPAN("{port}")))
        return buffer_printf(out, "%u", (unsigned)blanks->port.number);
    if (span_equal(marker, SPAN("{rules}")))
        return fill_rules(out, blanks->ports);
    if (span_equal(marker, SPAN("{objects}")))
        return fill_objects(out, blanks->ports);
    for (size_t i = 0; i < ARRAY_SIZE(words); i++)
        if (span_equal(marker, words[i].marker))
            return buffer_add(out, span_str(words[i].text));
    *ret_known = false;
    return 0;
}

/* Braces that are no marker are the command's own. */
static int say(struct buffer *out, const char *template, const struct blanks *blanks)
{
    int r = 0;

    for (const char *at = template; r == 0 && *at;) {
        const char *end = *at == '{' ? strchr(at, '}') : NULL;
        bool known = false;
        if (end)
            r = fill(out, span_of(at, (size_t)(end + 1 - at)), blanks, &known);
        if (r == 0 && !known)
            r = buffer_append(out, at, 1);
        at = known ? end + 1 : at + 1;
    }
    return r < 0 ? r : buffer_append(out, "\n", 1);
}

static int say_family(struct buffer *out, const struct cloud_provider *provider,
                      struct blanks *blanks)
{
    bool both = provider->times == EACH_FAMILY || provider->times == EACH_PORT_FAMILY;

    blanks->ipv6 = false;
    int r = say(out, provider->open, blanks);
    if (r < 0 || !both)
        return r;
    blanks->ipv6 = true;
    return say(out, provider->open, blanks);
}

char *cloud_commands(const struct cloud *cloud, const struct ports *ports)
{
    const struct cloud_provider *provider = cloud->provider;
    bool each = provider->times == EACH_PORT || provider->times == EACH_PORT_FAMILY;
    struct blanks blanks = {.cloud = cloud, .ports = ports};
    struct buffer out = buffer_make(COMMANDS_MAX);
    int r = provider->find ? say(&out, provider->find, &blanks) : 0;

    for (size_t i = 0; r == 0 && i < (each ? ports->count : 1); i++) {
        if (each)
            blanks.port = ports->items[i];
        r = say_family(&out, provider, &blanks);
    }
    /* PORTS_MAX lines of known length fit. */
    char *text = mem_string(r < 0 ? SPAN("") : buffer_span(&out));
    buffer_finish(&out);
    return text;
}

void cloud_print(const struct printer *printer, const struct cloud *cloud,
                 const struct ports *ports)
{
    scoped(mem_release) char *commands = cloud_commands(cloud, ports);
    scoped(mem_release) char *sentence = mem_format(
        "%s has a firewall of its own in front of this machine, which cannot be seen or "
        "changed from here: %s. To open %s there:",
        cloud_name(cloud), cloud_default(cloud), ports->count == 1 ? "the port" : "the ports");
    struct span rest = span_str(commands), line;

    printer_wrap(printer, 0, 0, sentence);
    while (span_next(&rest, '\n', &line))
        if (line.len) /* whole, so that it can be copied */
            fprintf(printer->out, "  %.*s\n", SPAN_ARGS(line));
}

json_t *cloud_json(const struct cloud *cloud, const struct ports *ports)
{
    scoped(mem_release) char *commands = cloud_commands(cloud, ports);
    json_t *list = json_array(), *object;
    struct span rest = span_str(commands), line;

    while (span_next(&rest, '\n', &line))
        if (line.len)
            json_array_append_new(list, json_stringn(line.ptr, line.len));
    object = json_pack("{s:s, s:s, s:o}", "name", cloud_name(cloud), "default",
                       cloud_default(cloud), "commands", list);
    if (cloud->instance[0])
        json_object_set_new(object, "instance", json_string(cloud->instance));
    return object;
}
