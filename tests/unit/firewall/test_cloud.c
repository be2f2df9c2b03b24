/* Cloud providers, told from made-up folders of /sys, and what their command lines say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "firewall/firewall.h"
#include "os/command.h"

static char *root;

static int make_root(void **state)
{
    (void)state;
    root = mem_string(SPAN("/tmp/gardien-cloud-XXXXXX"));
    return mkdtemp(root) ? 0 : -1;
}

static int remove_root(void **state)
{
    const char *argv[] = {"rm", "-rf", root, NULL};
    struct command command = {.argv = argv, .timeout = 10 * NSEC_PER_SEC};
    struct command_result result;

    (void)state;
    if (command_run(&command, &result) == 0)
        command_result_finish(&result);
    free(root);
    return 0;
}

static void say(const char *file, const char *text)
{
    scoped(mem_release) char *path = mem_format("%s/sys/%s", root, file);

    for (char *slash = path + strlen(root) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = '\0';
        mkdir(path, 0755);
    }
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fprintf(out, "%s\n", text);
    fclose(out);
}

static void test_providers_by_their_firmware(void **state)
{
    static const struct {
        const char *file, *text, *name;
    } cases[] = {
        {"class/dmi/id/sys_vendor", "Amazon EC2", "Amazon EC2"},
        {"class/dmi/id/bios_version", "4.11.amazon", "Amazon EC2"},
        {"hypervisor/uuid", "ec2e1916-9099-7caf-fd21-012345abcdef", "Amazon EC2"},
        {"class/dmi/id/product_name", "Google Compute Engine", "Google Compute Engine"},
        {"class/dmi/id/chassis_asset_tag", "7783-7084-3265-9085-8269-3286-77", "Microsoft Azure"},
        {"class/dmi/id/chassis_asset_tag", "OracleCloud.com", "Oracle Cloud"},
        {"class/dmi/id/sys_vendor", "Hetzner", "Hetzner Cloud"},
        {"class/dmi/id/sys_vendor", "DigitalOcean", "DigitalOcean"},
        {"class/dmi/id/product_name", "SCW-DEV1-S", "Scaleway"},
        {"class/dmi/id/sys_vendor", "Vultr", "Vultr"},
        {"class/dmi/id/sys_vendor", "Akamai", "Akamai Cloud (Linode)"},
        {"class/dmi/id/product_name", "Alibaba Cloud ECS", "Alibaba Cloud"},
        {"class/dmi/id/sys_vendor", "UpCloud", "UpCloud"},
        {"class/dmi/id/product_name", "Exoscale Compute Platform", "Exoscale"},
        {"class/dmi/id/sys_vendor", "Tencent Cloud", "Tencent Cloud"},
        {"class/dmi/id/product_name", "OpenStack Nova", "OpenStack (OVHcloud and others)"},
    };
    struct ports ports = ports_default();
    struct cloud cloud;

    (void)state;
    assert_false(cloud_detect(root, &cloud));
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        say(cases[i].file, cases[i].text);
        assert_true(cloud_detect(root, &cloud));
        assert_string_equal(cloud_name(&cloud), cases[i].name);
        scoped(mem_release) char *commands = cloud_commands(&cloud, &ports);
        assert_non_null(strstr(commands, "443"));
        assert_null(strstr(commands, "{proto}"));
        assert_null(strstr(commands, "{port}"));
        assert_null(strstr(commands, "{cidr}"));
        scoped(mem_release) char *path = mem_format("%s/sys/%s", root, cases[i].file);
        assert_int_equal(unlink(path), 0);
    }
}

static void test_machines_that_are_in_no_cloud(void **state)
{
    struct cloud cloud;

    (void)state;
    say("class/dmi/id/sys_vendor", "Google"); /* a Chromebook */
    say("class/dmi/id/product_name", "Grunt");
    say("class/dmi/id/chassis_asset_tag", "");
    assert_false(cloud_detect(root, &cloud));
    say("class/dmi/id/sys_vendor", "Microsoft Corporation"); /* Hyper-V at home */
    assert_false(cloud_detect(root, &cloud));
}

static void test_commands_for_both_families(void **state)
{
    struct ports ports = {.items = {{443, PORT_TCP}, {443, PORT_UDP}}, .count = 2};
    struct cloud cloud;

    (void)state;
    say("class/dmi/id/sys_vendor", "OpenStack Foundation");
    assert_true(cloud_detect(root, &cloud));
    scoped(mem_release) char *commands = cloud_commands(&cloud, &ports);
    assert_string_equal(
        commands, "openstack security group list\n"
                  "openstack security group rule create SECURITY_GROUP --ingress --ethertype IPv4 "
                  "--protocol tcp --dst-port 443 --remote-ip 0.0.0.0/0\n"
                  "openstack security group rule create SECURITY_GROUP --ingress --ethertype IPv6 "
                  "--protocol tcp --dst-port 443 --remote-ip ::/0\n"
                  "openstack security group rule create SECURITY_GROUP --ingress --ethertype IPv4 "
                  "--protocol udp --dst-port 443 --remote-ip 0.0.0.0/0\n"
                  "openstack security group rule create SECURITY_GROUP --ingress --ethertype IPv6 "
                  "--protocol udp --dst-port 443 --remote-ip ::/0\n");
}

static void test_all_ports_in_one_command(void **state)
{
    struct ports ports = ports_default();
    struct cloud cloud;

    (void)state;
    say("class/dmi/id/product_name", "Google Compute Engine");
    say("class/dmi/id/sys_vendor", "Google");
    assert_true(cloud_detect(root, &cloud));
    scoped(mem_release) char *commands = cloud_commands(&cloud, &ports);
    assert_non_null(strstr(commands, "--rules tcp:80,tcp:443,udp:443 --source-ranges 0.0.0.0/0\n"));
    assert_non_null(strstr(commands, "--rules tcp:80,tcp:443,udp:443 --source-ranges ::/0\n"));
}

static void test_json_in_commands_is_json(void **state)
{
    struct ports ports = ports_default();
    struct cloud cloud;

    (void)state;
    say("class/dmi/id/sys_vendor", "x");
    say("class/dmi/id/product_name", "x");
    say("class/dmi/id/chassis_asset_tag", "OracleCloud.com");
    assert_true(cloud_detect(root, &cloud));
    scoped(mem_release) char *commands = cloud_commands(&cloud, &ports);
    const char *at = strstr(commands, "'[");
    assert_non_null(at);
    const char *end = strchr(at + 1, '\'');
    assert_non_null(end);
    json_t *rules = json_loadb(at + 1, (size_t)(end - at - 1), 0, NULL);
    assert_non_null(rules);
    const json_t *range = json_object_get(json_object_get(json_array_get(rules, 0), "tcpOptions"),
                                          "destinationPortRange");
    assert_int_equal(json_integer_value(json_object_get(range, "min")), 80);
    json_decref(rules);
}

static void test_the_machines_id_is_put_in(void **state)
{
    struct ports ports = {.items = {{443, PORT_TCP}}, .count = 1};
    struct cloud cloud;

    (void)state;
    say("class/dmi/id/sys_vendor", "Amazon EC2");
    say("class/dmi/id/board_asset_tag", "i-0abcdef1234567890");
    assert_true(cloud_detect(root, &cloud));
    scoped(mem_release) char *commands = cloud_commands(&cloud, &ports);
    assert_non_null(strstr(commands, "--instance-ids i-0abcdef1234567890 "));
    say("class/dmi/id/board_asset_tag", "i-$(reboot)");
    assert_true(cloud_detect(root, &cloud));
    scoped(mem_release) char *without = cloud_commands(&cloud, &ports);
    assert_non_null(strstr(without, "--instance-ids INSTANCE_ID "));
    json_t *json = cloud_json(&cloud, &ports);
    assert_int_equal(json_array_size(json_object_get(json, "commands")), 2);
    assert_null(json_object_get(json, "instance"));
    json_decref(json);
}

static void say_release(const char *text)
{
    scoped(mem_release) char *folder = mem_format("%s/etc", root);
    scoped(mem_release) char *path = mem_format("%s/etc/os-release", root);

    mkdir(folder, 0755);
    FILE *out = fopen(path, "w");
    assert_non_null(out);
    fputs(text, out);
    fclose(out);
}

static void test_what_distributions_do_by_default(void **state)
{
    static const struct {
        const char *release, *words;
    } cases[] = {
        {"NAME=x\nID=debian\n", "without a firewall"},
        {"ID=ubuntu\nID_LIKE=debian\n", "ufw enable"},
        {"ID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\n", "firewalld"},
        {"ID=\"amzn\"\nID_LIKE=\"fedora\"\n", "without a firewall"},
        {"ID=pop\nID_LIKE=\"ubuntu debian\"\n", "ufw enable"},
        {"ID=unheard-of\n", "not known"},
        {"", "not known"},
    };

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        say_release(cases[i].release);
        assert_non_null(strstr(status_system_default(root), cases[i].words));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_providers_by_their_firmware),
        cmocka_unit_test(test_machines_that_are_in_no_cloud),
        cmocka_unit_test(test_commands_for_both_families),
        cmocka_unit_test(test_all_ports_in_one_command),
        cmocka_unit_test(test_json_in_commands_is_json),
        cmocka_unit_test(test_the_machines_id_is_put_in),
        cmocka_unit_test(test_what_distributions_do_by_default),
    };

    return cmocka_run_group_tests(tests, make_root, remove_root);
}
