/* The table of verbs. Each is done in its own file. */
#include "app/app.h"
#include "cli/cli.h"
#include "config/config.h"
#include "firewall/firewall.h"

const struct verb verbs[] = {
    {"serve", serve_run, "serve a folder, or what a settings file says, over HTTPS",
     "[FOLDER [NAME...]] [OPTION...]\n       gardien serve --config FILE [OPTION...]",
     "Serves FOLDER (by default the current one) under the host names given (by default\n"
     "localhost), with certificates from gardien's own local CA unless --cert says otherwise.\n"
     "Plain HTTP redirects to HTTPS. It runs until it is told to stop: SIGTERM or SIGINT stop it\n"
     "after answers under way, SIGHUP reloads, SIGUSR1 opens log files anew, SIGUSR2 upgrades.",
     "gardien serve ./public\n"
     "gardien serve ./public example.com www.example.com\n"
     "gardien serve ./public --https :8443 --http :8080\n"
     "gardien serve --config /etc/gardien/gardien.yaml\n",
     serve_options, SIZE_MAX, .words = "FOLDER"},
    {"config", config_run, "check settings, or explain them", "check [FILE] | schema | reference",
     "check      finds everything that is wrong with a settings file\n"
     "           (by default /etc/gardien/gardien.yaml)\n"
     "schema     prints the JSON Schema, for editors\n"
     "reference  prints every setting with its default, in Markdown (--man: in roff)",
     "gardien config check gardien.yaml\n"
     "gardien config schema > gardien.schema.json\n",
     config_options, 2, .words = "check schema reference FILE"},
    {"reload", reload_run, "make a running gardien read its settings anew", "[OPTION...]",
     "Cuts no connection. Settings that are wrong are printed and not taken: the old ones stay.",
     "gardien reload\n", control_options, 0},
    {"stop", stop_run, "stop a running gardien after answers under way", "[OPTION...]",
     "Waits until it has ended, at most the `stop_deadline` of its settings.", "gardien stop\n",
     control_options, 0},
    {"status", status_run, "show who listens, and what the firewall lets in",
     "[PORT[/PROTOCOL]...] [OPTION...]",
     "For each port: whether a stranger's packet would come in over IPv4 and over IPv6, who "
     "listens\n"
     "(program, user, container), whether it takes connections, and what is odd about that. "
     "Without\n"
     "ports: 80/tcp, 443/tcp, 443/udp, those of a running gardien, and 8443 and 2096 where "
     "somebody\n"
     "listens or rules name them. Others' programs and the rules are shown to root only.",
     "sudo gardien status\nsudo gardien status 443 443/udp 8443\ngardien status --json\n",
     status_options, PORTS_MAX,
     "0 it was looked at; 2 the command line is wrong; 3 no gardien runs with the state folder\n"
     "that was named; 4 a port that was named has a warning",
     "443 443/tcp 443/udp 80 8443"},
    {"upgrade", upgrade_run, "replace a running gardien's program without refusing a connection",
     "[PROGRAM] [OPTION...]",
     "Starts PROGRAM (by default the file it was started from, which may have changed) with the\n"
     "same command line and listening sockets. The old one finishes what is under way. If the new\n"
     "one is not ready within 30 seconds, the old one goes on.",
     "gardien upgrade\n", upgrade_options, 1, .words = "PROGRAM"},
    {"cert", cert_run, "show certificates; make this machine trust the local CA",
     "show [FILE...] | trust | untrust",
     "show     prints the certificates in files, or those of the local CA\n"
     "trust    adds the local CA to the system's store and to those of Chromium and Firefox;\n"
     "         fails when only the system's store could not be changed, unless with --no-system\n"
     "untrust  takes it out again",
     "gardien cert trust\ngardien cert show\ngardien cert show fullchain.pem\n", cert_options,
     SIZE_MAX, .words = "show trust untrust FILE"},
    {"check", check_run, "look from outside whether a site is open, and if not, why not",
     "[HOST[:PORT]] [OPTION...]",
     "Looks at one site as a visitor does: its name in DNS and in this machine's own resolver, "
     "TCP\n"
     "on every address with who refuses, TLS, the certificate, HTTP/1.1, HTTP/2, HTTP/3, "
     "redirects,\n"
     "HSTS and port 80. The last line says what is wrong first, and how to mend it. HOST may be "
     "an\n"
     "IP address or a whole URL. Without one (or with :PORT alone) it looks at this machine: who\n"
     "listens, whether the firewall lets strangers in, and what a visitor gets on each address.\n"
     "With --expect only what is expected decides the exit code. It knows status, days (of the\n"
     "certificate), time (to the first byte), rtt, addresses, failing, tls, http, h3, hsts, ipv6,\n"
     "resumed, trusted and redirect80, with = != < <= > >=.",
     "gardien check example.com\n"
     "gardien check example.com:8443 --resolve example.com:192.0.2.7\n"
     "gardien check https://example.com/login --expect \"status=200,days>14,time<500ms\"\n"
     "gardien check example.com --watch --every 30\n"
     "gardien check example.com --nagios\n"
     "sudo gardien check\n"
     "gardien check --from eye.example.net\n",
     check_options, 1,
     "0 all is well (warnings count for nothing), or what is expected holds; 1 something is "
     "wrong;\n"
     "2 the command line is wrong. With --nagios: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN",
     "example.com"},
    {"open", open_run, "open ports in the firewall that is in force",
     "[PORT[/tcp|/udp]...] [OPTION...]",
     "Opens the PORTs (by default 80/tcp, 443/tcp and 443/udp) for good: it finds out which\n"
     "firewall is in force, shows the steps in order with the reason for each, asks, carries them\n"
     "out, and proves by a probe that the port is open over IPv4 and IPv6. A rule goes into each\n"
     "chain that would drop, and survives a restart of the firewall. Twice is the same as once. "
     "If\n"
     "a step fails, those before it are undone. With --confirm a process of its own undoes all,\n"
     "even if your connection is lost, unless you type \"yes\" or run `gardien open --confirmed`.",
     "sudo gardien open\n"
     "sudo gardien open 8443 2096/tcp 443/udp --from 192.0.2.0/24\n"
     "gardien open --dry-run\n"
     "sudo gardien open 443 --confirm 60s\n",
     open_options, SIZE_MAX,
     "0 the ports are open, or the plan was shown; 1 they are not; 2 the command line is wrong, "
     "or\n"
     "nobody could agree to the plan"},
    {"close", close_run, "take back what gardien opened", "[PORT[/tcp|/udp]...] [OPTION...]",
     "Removes gardien's rules for the PORTs (by default all of its), which it knows by their tag\n"
     "gardien:443/tcp, and the files that kept them. Rules of others stay, so a port may stay "
     "open;\n"
     "--force shows and removes those that accept just that port.",
     "sudo gardien close\n"
     "sudo gardien close 8443/tcp\n"
     "sudo gardien close --force 443/tcp --dry-run\n",
     close_options, SIZE_MAX,
     "0 done, or there was nothing to do; 1 failed; 2 the command line is wrong, or nobody could\n"
     "agree to the plan"},
    {"eye", eye_run, "look at whoever asks, for `gardien check --from`", "[OPTION...]",
     "Runs until it is stopped, on a machine elsewhere. Those who know its key, which it makes at\n"
     "its first start, are told what it sees of them: it connects to the very address that they\n"
     "ask from and to no other, one port a question, a few times a minute. On the machine that\n"
     "asks, put the key into STATE/eye/key with mode 600, name it with --eye-key, or set\n"
     "GARDIEN_EYE_KEY. Each question is one line on standard error.",
     "gardien eye\n"
     "gardien eye --listen 192.0.2.1:4434 --looks 20\n",
     eye_options, 0, "0 it was stopped; 1 it could not start; 2 the command line is wrong"},
    {"why", why_run, "name the rule that keeps a port closed", "[PORT[/tcp|/udp]] [OPTION...]",
     "Makes the kernel receive a forged packet to PORT (by default 443/tcp), as if it had come in\n"
     "from outside, follows it through the firewall and shows each rule that it meets, the one\n"
     "that decides last, with the command that mends it; then whether anybody listens. The packet\n"
     "leaves this host neither itself nor by an answer, and reaches no program. Needs root, or "
     "the\n"
     "capabilities cap_net_admin and cap_bpf (and cap_perfmon for what is lost outside of "
     "nftables).\n"
     "With --ruleset nothing is sent and no right is needed: the rules in FILE are followed as "
     "the\n"
     "kernel would, and where they alone do not tell, the answer is unknown and names the rule.",
     "gardien why 443\n"
     "gardien why 443/udp -6\n"
     "gardien why 8443 --from 192.0.2.7 --interface eth1\n"
     "nft -j list ruleset | gardien why 443 --ruleset - --interface eth0\n"
     "gardien why 443 --json\n",
     why_options, 1,
     "0 it is open; 1 something keeps it closed; 2 the command line is wrong; 3 it "
     "could not be told"},
    {"scan", scan_verb_run, "find open, closed and filtered ports", "HOST[/PREFIX]... [OPTION...]",
     "Asks TCP and UDP ports of hosts and networks, IPv4 and IPv6, and says of each port\n"
     "whether it is open, closed or filtered, and why. Without -p it asks those that HTTPS is\n"
     "common on. As root it sends SYNs of its own, asks silent ports again, slows down where\n"
     "answers are lost, and says how sure it is; else it connects. Open ports are asked what\n"
     "serves there. Scan only what is yours, or what its owner lets you scan.",
     "gardien scan example.com\n"
     "gardien scan 192.0.2.7 -p 440-443,8443\n"
     "gardien scan 192.0.2.0/24 -p 443 --json\n"
     "gardien scan ::1 -p- --no-services\n",
     scan_options, SIZE_MAX,
     "0 scanned; 1 failed or was interrupted (what was found is printed); 2 the\n"
     "command line is wrong",
     "localhost"},
    {"help", help_run, "explain a verb", "[VERB]", NULL,
     "gardien help serve\n"
     "gardien help --bash-completion >~/.local/share/bash-completion/completions/gardien\n",
     help_options, 1, .words = "VERB"},
    {"version", version_run, "print the version", "[OPTION...]", NULL, "gardien version\n",
     version_options, 0},
    {NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0},
};

const struct verb *verb_find(const char *name)
{
    for (const struct verb *verb = verbs; verb->name; verb++)
        if (strcmp(verb->name, name) == 0)
            return verb;
    return NULL;
}

const char *verb_nearest(const char *word)
{
    const char *names[ARRAY_SIZE(verbs)];
    size_t count = 0;

    for (; verbs[count].name; count++)
        names[count] = verbs[count].name;
    return config_nearest(word, names, count);
}
