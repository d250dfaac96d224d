/* SPDX-License-Identifier: Apache-2.0 */
/* The sandbox is the boundary; these rules name what would be an outside effect, a change of the
 * machine, or a way to hide either. Inside the workspace everything else is allowed: it can be
 * thrown away. */
#include "programs.h"

#include <string.h>

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK

struct row {
    const char *programs;
    const char *subcommands; /* first word that is no option must be one of these; NULL: any */
    struct finding finding;
};

static const struct row rows[] = {
    {"sudo su doas pkexec run0 runuser sg newgrp",
     NULL,
     {"exec.privilege", DENY, 0, "asks for more rights"}},
    {"shutdown reboot halt poweroff telinit kexec init",
     NULL,
     {"exec.power", DENY, 0, "stops or restarts the machine"}},
    {"systemctl",
     "poweroff reboot halt kexec suspend hibernate rescue emergency",
     {"exec.power", DENY, 0, "stops or restarts the machine"}},
    {"mkfs mke2fs mkswap mkdosfs wipefs fdisk sfdisk cfdisk gdisk sgdisk parted blkdiscard "
     "badblocks cryptsetup "
     "pvremove vgremove lvremove hdparm",
     NULL,
     {"exec.format", DENY, 0, "formats or partitions a disk"}},
    {"mount umount swapon swapoff losetup insmod rmmod modprobe sysctl iptables ip6tables nft ufw "
     "firewall-cmd useradd "
     "userdel usermod groupadd groupdel groupmod adduser deluser addgroup passwd chpasswd visudo "
     "vipw setenforce "
     "update-grub grub-install efibootmgr timedatectl hostnamectl",
     NULL,
     {"exec.system", DENY, 0, "changes the system outside the workspace"}},
    {"crontab at batch systemd-run launchctl",
     NULL,
     {"exec.persist", ASK, 0, "leaves something running after the task"}},
    {"systemctl service rc-service initctl",
     NULL,
     {"exec.persist", ASK, 0, "starts or stops services of the system"}},
    {"apt apt-get aptitude dpkg dnf yum rpm zypper pacman apk snap flatpak brew port emerge "
     "nix-env",
     "install remove purge "
     "upgrade update dist-upgrade full-upgrade add del erase -i -S -U -R -r reinstall build-dep "
     "autoremove",
     {"exec.install", ASK, 0, "installs or removes packages of the system"}},
    {"curl wget aria2c lftp ftp sftp tftp scp ssh ssh-copy-id sshfs mosh rsh rlogin telnet nc ncat "
     "netcat socat http https "
     "xh lynx w3m links ping traceroute dig nslookup whois nmap tcpdump",
     NULL,
     {"exec.network", ASK, 0, "talks to the network"}},
    {"aws gcloud gsutil az doctl terraform tofu pulumi kubectl helm heroku flyctl fly vercel "
     "netlify wrangler eksctl "
     "ansible ansible-playbook serverless sls cdk",
     NULL,
     {"exec.cloud", ASK, 0, "acts on an outside service and may spend money"}},
    {"docker podman nerdctl buildah skopeo",
     "push login logout manifest",
     {"exec.publish", ASK, 0, "publishes or handles credentials"}},
    {"docker podman nerdctl buildah lxc lxd runc crictl ctr virsh vagrant docker-compose",
     NULL,
     {"exec.container", ASK, 0, "starts programs outside this sandbox"}},
    {"gh glab hub tea", NULL, {"exec.publish", ASK, 0, "acts on a forge in a person's name"}},
    {"mail mailx sendmail mutt msmtp swaks ssmtp", NULL, {"exec.mail", ASK, 0, "sends mail"}},
    {"npm pnpm yarn bun lerna",
     "publish unpublish deprecate adduser login logout token owner access dist-tag",
     {"exec.publish", ASK, 0, "publishes a package or handles credentials"}},
    {"cargo",
     "publish yank owner login logout",
     {"exec.publish", ASK, 0, "publishes a package or handles credentials"}},
    {"twine", "upload register", {"exec.publish", ASK, 0, "publishes a package"}},
    {"gem",
     "push yank owner signin",
     {"exec.publish", ASK, 0, "publishes a package or handles credentials"}},
    {"poetry flit hatch uv pdm maturin",
     "publish upload",
     {"exec.publish", ASK, 0, "publishes a package"}},
    {"mvn mvnw gradle gradlew sbt",
     "deploy publish release:perform uploadArchives publishToMavenCentral",
     {"exec.publish", ASK, 0, "publishes a package"}},
    {"goreleaser semantic-release release-it np vsce ovsx changeset",
     NULL,
     {"exec.publish", ASK, 0, "publishes a release"}},
};

uint32_t
programs_is_download(struct viv_str program)
{
    return rules_is_one(
        program, "curl wget aria2c fetch http https xh lynx w3m nc ncat netcat socat ssh ftp");
}

uint32_t
programs_is_shell(struct viv_str program)
{
    return rules_is_one(program, "sh bash dash ash zsh ksh mksh fish rbash csh tcsh");
}

uint32_t
programs_is_interpreter(struct viv_str program)
{
    return programs_is_shell(program) || rules_starts(program, "python") ||
           rules_starts(program, "perl") || rules_starts(program, "ruby") ||
           rules_is_one(program, "node nodejs deno bun php lua source pwsh tclsh");
}

uint32_t
programs_skip_options(const struct argv *argv, uint32_t from, const char *with_value)
{
    while (from < argv->count && argv->words[from].len > 1 && argv->words[from].data[0] == '-') {
        struct viv_str word = argv->words[from++];
        if (rules_is(word, "--"))
            break;
        from += rules_is_one(word, with_value);
    }
    return from < argv->count ? from : argv->count;
}

static uint32_t
has_word(const struct argv *argv, const char *list)
{
    for (uint32_t i = 1; i < argv->count; i++) {
        if (rules_is_one(argv->words[i], list)) {
            return 1;
        }
    }
    return 0;
}

static uint32_t
has_prefix(const struct argv *argv, const char *const *prefixes, size_t count)
{
    for (uint32_t i = 1; i < argv->count; i++) {
        for (size_t j = 0; j < count; j++) {
            if (rules_starts(argv->words[i], prefixes[j])) {
                return 1;
            }
        }
    }
    return 0;
}

static void
push(struct finding *list, uint32_t *count, struct finding finding)
{
    if (*count < PROGRAMS_FINDINGS_MAX) {
        list[(*count)++] = finding;
    }
}

/* "of=/dev/sda"; the harmless devices are allowed. */
static uint32_t
is_device(struct viv_str path)
{
    return rules_starts(path, "/dev/") &&
           !rules_is_one(path, "/dev/null /dev/zero /dev/stdout /dev/stderr /dev/stdin /dev/full "
                               "/dev/tty /dev/random "
                               "/dev/urandom") &&
           !rules_starts(path, "/dev/fd/");
}

static uint32_t
names_device(const struct argv *argv)
{
    for (uint32_t i = 1; i < argv->count; i++) {
        struct viv_str word = argv->words[i];
        if (is_device(word) || (rules_starts(word, "of=") &&
                                is_device((struct viv_str){word.data + 3, word.len - 3}))) {
            return 1;
        }
    }
    return 0;
}

/* A whole tree outside: "/", "/usr", "~", "$HOME", "..". */
static uint32_t
is_outside_tree(struct viv_str word)
{
    if (rules_is_one(word, "~ $HOME ${HOME} .. /* ~/* $HOME/* ../* / /. // $HOME/ ~/") ||
        rules_starts(word, "../")) {
        return 1;
    }
    return word.len > 0 && word.data[0] == '/' && !rules_starts(word, "/tmp/") &&
           !rules_starts(word, "/work/");
}

static uint32_t
is_recursive(const struct argv *argv)
{
    for (uint32_t i = 1; i < argv->count; i++) {
        struct viv_str word = argv->words[i];
        if (rules_is(word, "--recursive") || rules_is(word, "--no-preserve-root")) {
            return 1;
        }
        if (word.len > 1 && word.data[0] == '-' && word.data[1] != '-' &&
            (memchr(word.data, 'r', (size_t)word.len) ||
             memchr(word.data, 'R', (size_t)word.len))) {
            return 1;
        }
    }
    return 0;
}

static uint32_t
destroys_outside(const struct argv *argv)
{
    if (!rules_is_one(rules_program(argv), "rm chmod chown chgrp shred") || !is_recursive(argv)) {
        return 0;
    }
    for (uint32_t i = 1; i < argv->count; i++) {
        if (is_outside_tree(argv->words[i])) {
            return 1;
        }
    }
    return 0;
}

/* Files that hold what logs people in. The first plain word of a search program is what it looks
 * for, not a file. */
static uint32_t
names_credentials(const struct argv *argv)
{
    static const char *const parts[] = {"/.ssh/id_",    "/.aws/credentials", "/.gnupg/",
                                        "/.netrc",      "/.git-credentials", "/.docker/config.json",
                                        "/.kube/config"};
    uint32_t pattern = rules_is_one(rules_program(argv), "grep egrep fgrep rg ag ack sed awk");
    for (uint32_t i = 1; i < argv->count; i++) {
        struct viv_str word = argv->words[i];
        if (word.len > 0 && word.data[0] == '-')
            continue;
        if (pattern) {
            pattern = 0;
            continue;
        }
        if (rules_is_one(word,
                         "/etc/passwd /etc/shadow /etc/gshadow /etc/sudoers /etc/master.passwd") ||
            rules_starts(word, "/etc/sudoers.d") || rules_starts(word, "/etc/ssh/")) {
            return 1;
        }
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            if (memmem(word.data, (size_t)word.len, parts[j], strlen(parts[j]))) {
                return 1;
            }
        }
    }
    return 0;
}

/* Options by which an ordinary program starts another one. */
static uint32_t
hides_program(const struct argv *argv)
{
    static const char *const tar[] = {"--checkpoint-action",    "--to-command",
                                      "--use-compress-program", "--rsh-command",
                                      "--info-script",          "--new-volume-script"};
    static const char *const rg[] = {"--pre=", "--hostname-bin"};
    static const char *const sort[] = {"--compress-program"};
    static const char *const rsync[] = {"--rsh", "--rsync-path", "-e"};
    struct viv_str program = rules_program(argv);
    if (rules_is_one(program, "tar bsdtar gtar")) {
        return has_prefix(argv, tar, 6) || has_word(argv, "-I -F");
    }
    if (rules_is(program, "rg")) {
        return has_prefix(argv, rg, 2) || has_word(argv, "--pre");
    }
    if (rules_is(program, "sort")) {
        return has_prefix(argv, sort, 1);
    }
    if (rules_is(program, "rsync")) {
        return has_prefix(argv, rsync, 3);
    }
    return rules_is(program, "zip") && has_word(argv, "-TT --unzip-command");
}

/* rsync and python are ordinary until they name the network. */
static uint32_t
talks_outside(const struct argv *argv)
{
    struct viv_str program = rules_program(argv);
    if (rules_is(program, "rsync")) {
        for (uint32_t i = 1; i < argv->count; i++) {
            struct viv_str word = argv->words[i];
            if (word.len > 0 && word.data[0] != '-' && memchr(word.data, ':', (size_t)word.len)) {
                return 1;
            }
        }
    }
    return rules_starts(program, "python") && has_word(argv, "-m") &&
           has_word(argv, "http.server SimpleHTTPServer smtpd");
}

static void
find_special(const struct argv *argv, struct finding *list, uint32_t *count)
{
    struct viv_str program = rules_program(argv);
    if (rules_starts(program, "mkfs.")) {
        push(list, count, (struct finding){"exec.format", DENY, 0, "formats or partitions a disk"});
    }
    if (rules_is_one(program, "dd shred tee cp cat wipe") && names_device(argv)) {
        push(list, count, (struct finding){"exec.raw-disk", DENY, 0, "writes to a device"});
    }
    if (destroys_outside(argv)) {
        push(list, count,
             (struct finding){"exec.destroy", DENY, 0,
                              "changes or deletes a whole tree outside the workspace"});
    }
    if (names_credentials(argv)) {
        push(list, count,
             (struct finding){"exec.credentials", DENY, 0, "names a file that holds credentials"});
    }
    if (hides_program(argv)) {
        push(
            list, count,
            (struct finding){"exec.hidden-program", ASK, 0, "starts another program by an option"});
    }
    if (talks_outside(argv)) {
        push(list, count, (struct finding){"exec.network", ASK, 0, "talks to the network"});
    }
    if (rules_starts(program, "python") && has_word(argv, "twine") && has_word(argv, "upload")) {
        push(list, count, (struct finding){"exec.publish", ASK, 0, "publishes a package"});
    }
    if (rules_is(program, "dotnet") && has_word(argv, "nuget") && has_word(argv, "push")) {
        push(list, count, (struct finding){"exec.publish", ASK, 0, "publishes a package"});
    }
}

uint32_t
programs_find(const struct argv *argv, struct finding *ret_findings)
{
    uint32_t count = 0;
    struct viv_str program = rules_program(argv);
    if (argv->count == 0) {
        return 0;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct row *row = &rows[i];
        if (rules_is_one(program, row->programs) &&
            (!row->subcommands || has_word(argv, row->subcommands))) {
            push(ret_findings, &count, row->finding);
        }
    }
    find_special(argv, ret_findings, &count);
    if (rules_is(program, "git")) {
        count += programs_find_git(argv, ret_findings + count, PROGRAMS_FINDINGS_MAX - count);
    }
    return count;
}
