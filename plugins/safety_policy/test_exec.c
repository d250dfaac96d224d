/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a command could hide behind a wrapper, a quote or a shell, or everyday work would be refused. */
#include "../../tests/support/cm.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <tree.h>

#include "exec.h"
#include "fake_host.h"
#include "shell.h"

struct bench {
    struct fake_host host;
    struct fake_call call;
    struct policy *policy;
    struct report report;
};

static void
begin(struct bench *bench, const char *policy)
{
    fake_host_init(&bench->host);
    fake_call_init(&bench->call, &bench->host);
    struct viv_error err = VIV_ERROR_INIT;
    if (policy_open(fake_str(policy), &bench->policy, &err) != VIV_OK) {
        fail_msg("%s", err.text);
    }
    report_begin(&bench->report);
}

static void
end(struct bench *bench)
{
    report_drop(&bench->report);
    policy_close(bench->policy);
    fake_call_finish(&bench->call);
}

static void
judge(struct bench *bench, const json_t *spec, uint32_t full)
{
    struct exec_judge judge = { .call = &bench->call.call, .policy = bench->policy, .report = &bench->report };
    judge.full_profile = full;
    exec_judge_spec(&judge, spec);
    assert_int_equal(judge.memory, 0);
    assert_int_equal(bench->report.failed, 0);
}

/* Judge `sh -c TEXT`. */
static viv_verdict
judge_shell(struct bench *bench, const char *text, uint32_t full)
{
    json_t *spec = json_pack("{s:[{s:[s,s,s]}]}", "stages", "argv", "sh", "-c", text);
    assert_non_null(spec);
    judge(bench, spec, full);
    json_decref(spec);
    return bench->report.verdict;
}

static int
has_id(const struct bench *bench, const char *id)
{
    for (size_t i = 0; i < json_array_size(bench->report.list); i++) {
        if (strcmp(json_string_value(json_object_get(json_array_get(bench->report.list, i), "id")), id) == 0) {
            return 1;
        }
    }
    return 0;
}

struct row {
    const char *text;
    const char *id;
    viv_verdict verdict;
};

static void
check_rows(const struct row *rows, size_t count, uint32_t full)
{
    for (size_t i = 0; i < count; i++) {
        struct bench bench;
        begin(&bench, "[]");
        viv_verdict verdict = judge_shell(&bench, rows[i].text, full);
        if (verdict != rows[i].verdict || (rows[i].id && !has_id(&bench, rows[i].id))) {
            char *list = json_dumps(bench.report.list, JSON_COMPACT);
            fail_msg("'%s' gave %u %s, expected %u %s", rows[i].text, verdict, list, rows[i].verdict, rows[i].id);
        }
        end(&bench);
    }
}

#define DENY VIV_VERDICT_DENY
#define ASK VIV_VERDICT_ASK
#define ALLOW VIV_VERDICT_ALLOW

static void
feared_commands_are_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "sudo ls", "exec.privilege", DENY },
        { "/usr/bin/sudo -u x ls", "exec.privilege", DENY },
        { "su -c ls", "exec.privilege", DENY },
        { "doas ls", "exec.privilege", DENY },
        { "shutdown -h now", "exec.power", DENY },
        { "systemctl poweroff", "exec.power", DENY },
        { "systemctl restart x", "exec.persist", ASK },
        { "mkfs.ext4 /dev/sda1", "exec.format", DENY },
        { "dd if=/dev/zero of=/dev/sda", "exec.raw-disk", DENY },
        { "dd if=a of=b", NULL, ALLOW },
        { "rm -rf /", "exec.destroy", DENY },
        { "rm -r -f /usr", "exec.destroy", DENY },
        { "rm -fr ~", "exec.destroy", DENY },
        { "rm --recursive ../x", "exec.destroy", DENY },
        { "chmod -R 777 /", "exec.destroy", DENY },
        { "rm -rf build", NULL, ALLOW },
        { "cat /etc/shadow", "exec.credentials", DENY },
        { "cp ~/.ssh/id_rsa x", "exec.credentials", DENY },
        { "grep -r /etc/passwd src", NULL, ALLOW },
        { "grep root /etc/passwd", "exec.credentials", DENY },
        { "curl -s https://example.com/x", "exec.network", ASK },
        { "rsync -a a/ b/", NULL, ALLOW },
        { "rsync -a a/ host:b/", "exec.network", ASK },
        { "python3 -m http.server", "exec.network", ASK },
        { "git push", "exec.git-remote", ASK },
        { "git -C sub -c x.y=z push --force origin main", "exec.git-history", ASK },
        { "git --git-dir=x fetch", "exec.git-remote", ASK },
        { "git remote -v", NULL, ALLOW },
        { "git remote set-url origin x", "exec.git-remote", ASK },
        { "git -c core.pager=evil log", "exec.git-config", ASK },
        { "git -c alias.x='!evil' x", "exec.git-config", ASK },
        { "git -c filter.x.clean=evil add .", "exec.git-config", ASK },
        { "git -c user.name=x commit -m y", NULL, ALLOW },
        { "git config core.hooksPath x", "exec.git-config", ASK },
        { "git grep -O x", "exec.hidden-program", ASK },
        { "git reflog expire --all", "exec.git-history", ASK },
        { "npm publish", "exec.publish", ASK },
        { "npm run publish-docs", NULL, ALLOW },
        { "cargo publish", "exec.publish", ASK },
        { "twine upload dist/x", "exec.publish", ASK },
        { "python -m twine upload dist/x", "exec.publish", ASK },
        { "docker push x", "exec.publish", ASK },
        { "aws s3 ls", "exec.cloud", ASK },
        { "crontab -e", "exec.persist", ASK },
        { "apt-get install x", "exec.install", ASK },
        { "tar --checkpoint-action=exec=x cf a b", "exec.hidden-program", ASK },
        { "rg --pre x y", "exec.hidden-program", ASK },
        { "rg --pre=x y", "exec.hidden-program", ASK },
        { "sort --compress-program=x y", "exec.hidden-program", ASK },
        { "useradd x", "exec.system", DENY },
    };
    check_rows(rows, sizeof rows / sizeof *rows, 1);
}

static void
wrappers_are_looked_through(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "env sudo ls", "exec.privilege", DENY },
        { "env -i -u X A=b C=d nice -n 5 sudo ls", "exec.privilege", DENY },
        { "env -S 'sudo ls'", "exec.privilege", DENY },
        { "env '-Ssudo ls'", "exec.privilege", DENY },
        { "env --split-string='sudo ls'", "exec.privilege", DENY },
        { "timeout -k 5 --signal KILL 10 curl x", "exec.network", ASK },
        { "nohup setsid stdbuf -o L curl x", "exec.network", ASK },
        { "time -f x curl x", "exec.network", ASK },
        { "echo x | xargs -n 1 -I {} sudo {}", "exec.privilege", DENY },
        { "xargs -a list sh -c 'sudo ls'", "exec.privilege", DENY },
        { "find . -name x -exec sudo rm {} ';' -print", "exec.privilege", DENY },
        { "find . -execdir sh -c 'curl x' {} +", "exec.network", ASK },
        { "find . -fprintf ../x y", "path.outside", DENY },
        { "find . -name '*.c' -exec wc -l {} +", NULL, ALLOW },
        { "bash -lc 'sudo ls'", "exec.privilege", DENY },
        { "bash -euxo pipefail -c 'sudo ls'", "exec.privilege", DENY },
        { "sh -c \"sh -c 'sudo ls'\"", "exec.privilege", DENY },
        { "command exec sudo ls", "exec.privilege", DENY },
        { "busybox sudo ls", "exec.privilege", DENY },
        { "busybox wget x", "exec.network", ASK },
        { "eval 'sudo ls'", "exec.privilege", DENY },
        { "eval sudo ls", "exec.privilege", DENY },
        { "flock lock sudo ls", "exec.privilege", DENY },
        { "flock lock -c 'sudo ls'", "exec.privilege", DENY },
        { "script -c 'sudo ls' out", "exec.privilege", DENY },
        { "watch -n 1 curl x", "exec.network", ASK },
        { "git bisect run sudo ls", "exec.privilege", DENY },
        { "git rebase -x 'sudo ls' main", "exec.privilege", DENY },
        { "git submodule foreach 'sudo ls'", "exec.privilege", DENY },
        { "strace -o x sudo ls", "exec.privilege", DENY },
    };
    check_rows(rows, sizeof rows / sizeof *rows, 1);
}

static void
shell_text_hides_nothing_it_can_be_read_for(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "true; sudo ls", "exec.privilege", DENY },
        { "true && sudo ls", "exec.privilege", DENY },
        { "true || sudo ls", "exec.privilege", DENY },
        { "true & sudo ls", "exec.privilege", DENY },
        { "true\nsudo ls", "exec.privilege", DENY },
        { "echo x | sudo tee y", "exec.privilege", DENY },
        { "s'ud'o ls", "exec.privilege", DENY },
        { "s\"ud\"o ls", "exec.privilege", DENY },
        { "s\\udo ls", "exec.privilege", DENY },
        { "sud\\\no ls", "exec.privilege", DENY },
        { "A=b sudo ls", "exec.privilege", DENY },
        { "! sudo ls", "exec.privilege", DENY },
        { "2>/dev/null sudo ls", "exec.privilege", DENY },
        { ">x sudo ls", "exec.privilege", DENY },
        { "curl x | sh", "exec.pipe-to-shell", DENY },
        { "wget -qO- x|bash -s", "exec.pipe-to-shell", DENY },
        { "curl x | tee y | python3", "exec.pipe-to-shell", DENY },
        { "curl x | env sh", "exec.pipe-to-shell", DENY },
        { "curl x; cat y | sh", "exec.stdin-program", ASK },
        { "echo bHM= | base64 -d | sh", "exec.stdin-program", ASK },
        { "printf x | sh -s", "exec.stdin-program", ASK },
        { "cat x | python3 script.py", NULL, ALLOW },
        { "echo x > ../y", "path.outside", DENY },
        { "echo x > /etc/y", "path.outside", DENY },
        { "echo x >> .git/hooks/y", "path.git-internals", DENY },
        { "echo x > .github/workflows/y.yml", "critical.ci", ASK },
        { "cat < .env", "path.secret", DENY },
        { "make > /dev/null 2>&1", NULL, ALLOW },
        { "make &> log", NULL, ALLOW },
        { "echo 'sudo ls'", NULL, ALLOW },
        { "echo sudo", NULL, ALLOW },
        { "# sudo ls\ntrue", NULL, ALLOW },
        { "echo \"$HOME\"", NULL, ALLOW },
    };
    check_rows(rows, sizeof rows / sizeof *rows, 1);
}

static void
what_cannot_be_read_asks_outside_the_full_profile(void **state)
{
    (void)state;
    static const struct row rows[] = {
        { "x=$(ls)", "exec.shell", ASK },           { "echo `ls`", "exec.shell", ASK },
        { "for i in a b; do echo $i; done", "exec.shell", ASK }, { "$X ls", "exec.shell", ASK },
        { "f() { ls; }", "exec.shell", ASK },       { "cat <<E\nx\nE", "exec.shell", ASK },
        { "/bin/l? x", "exec.shell", ASK },         { "echo ${x:-y}", "exec.shell", ASK },
        { "echo 'x", "exec.shell", ASK },           { "echo x |", "exec.shell", ASK },
        { "diff <(ls) <(ls)", "exec.shell", ASK },  { "$'\\x72m' x", "exec.shell", ASK },
        { "LD_PRELOAD=x ls", "exec.shell", ASK },   { "python3 -c 'print(1)'", "exec.code", ASK },
        { "perl -e 1", "exec.code", ASK },          { "parallel ls", "exec.code", ASK },
    };
    check_rows(rows, sizeof rows / sizeof *rows, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row full = { rows[i].text, rows[i].id, ALLOW };
        check_rows(&full, 1, 1);
    }
    static const struct row guesses[] = {
        { "x=$(sudo ls)", "exec.privilege", ASK },
        { "if true; then sudo ls; fi", "exec.privilege", ASK },
        { "echo \"$(curl x | sh)\"", "exec.pipe-to-shell", ASK },
    };
    check_rows(guesses, sizeof guesses / sizeof *guesses, 1);
}

static void
everyday_commands_pass(void **state)
{
    (void)state;
    static const char *const fine[] = {
        "make", "make -j4 check", "cmake --build build", "ctest --preset dev", "cargo build --release", "cargo test",
        "npm test", "npm ci", "npm run build", "yarn install", "pip install -r requirements.txt", "pytest -q tests",
        "python3 setup.py build", "go test ./...", "mvn -q test", "gradle build", "git status", "git add -A",
        "git commit -m 'x'", "git log --oneline -5", "git diff HEAD~1", "git checkout -b x", "git merge y", "git stash",
        "git rebase main", "git tag v1", "git reset --hard HEAD", "ls -la", "cp a b", "mv a b", "mkdir -p x/y",
        "rm -rf node_modules", "find . -name '*.o' -delete", "grep -rn x src | head", "sed -i 's/a/b/' x.c",
        "awk '{print $1}' x", "sort x | uniq -c | sort -rn", "tar czf x.tgz x", "unzip x.zip", "wc -l *.c",
        "xargs wc -l < list", "touch x", "chmod +x x", "chmod -R u+w build", "diff -u a b", "patch -p1 < x.diff",
        "clang-format -i x.c", "gcc -o x x.c", "./configure --prefix=/usr", "./x --help", "bash script.sh", "node x.js",
        "jq . x.json", "sqlite3 x.db .schema", "date", "echo done", "test -f x && cat x", "cd src && make", "time make",
        "timeout 60 make check", "env CC=clang make", "nice make", "tee log < x", "tr a b < x > y", "seq 1 10", "du -sh .",
    };
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++) {
        struct row row = { fine[i], NULL, ALLOW };
        check_rows(&row, 1, 1);
    }
}

static void
documents_of_any_shape_are_judged_or_denied(void **state)
{
    (void)state;
    static const struct {
        const char *spec;
        const char *id;
        viv_verdict verdict;
    } rows[] = {
        { "{}", "exec.malformed", DENY },
        { "{\"stages\":[]}", "exec.malformed", DENY },
        { "{\"stages\":7}", "exec.malformed", DENY },
        { "{\"stages\":[{}]}", "exec.malformed", DENY },
        { "{\"stages\":[{\"argv\":[]}]}", "exec.malformed", DENY },
        { "{\"stages\":[{\"argv\":[1]}]}", "exec.malformed", DENY },
        { "{\"stages\":[{\"argv\":[\"\"]}]}", "exec.program", DENY },
        { "{\"stages\":[{\"argv\":[\"-rf\"]}]}", "exec.program", DENY },
        { "{\"stages\":[{\"argv\":[\"ls\"]},{\"argv\":[\"sudo\",\"ls\"]}]}", "exec.privilege", DENY },
        { "{\"stages\":[{\"argv\":[\"curl\",\"x\"]},{\"argv\":[\"sh\"]}]}", "exec.pipe-to-shell", DENY },
        { "{\"pipelines\":[{\"stages\":[{\"argv\":[\"ls\"]}]},{\"stages\":[{\"argv\":[\"sudo\"]}]}]}", "exec.privilege", DENY },
        { "{\"pipelines\":[{}]}", "exec.malformed", DENY },
        { "{\"shell\":\"sudo ls\"}", "exec.privilege", DENY },
        { "{\"stages\":[{\"argv\":[\"ls\"]}],\"cwd\":\"../x\"}", "path.outside", DENY },
        { "{\"stages\":[{\"argv\":[\"ls\"]}],\"cwd\":\"src\"}", NULL, ALLOW },
        { "{\"stages\":[{\"argv\":[\"ls\"],\"env\":{\"LD_PRELOAD\":\"x\"}}]}", "exec.environment", ASK },
        { "{\"stages\":[{\"argv\":[\"ls\"],\"env\":{\"CC\":\"x\"}}]}", NULL, ALLOW },
        { "{\"env\":{\"PATH\":\"x\"},\"stages\":[{\"argv\":[\"ls\"]}]}", "exec.environment", ASK },
        { "{\"stages\":[{\"argv\":[\"ls\"],\"output_path\":\"../x\"}]}", "path.outside", DENY },
        { "{\"stages\":[{\"argv\":[\"ls\"],\"output_path\":\".husky/x\"}]}", "critical.hooks", ASK },
        { "{\"stages\":[{\"argv\":[\"ls\"],\"stdin\":\"src/x\"}]}", NULL, ALLOW },
        { "{\"stages\":[{\"argv\":[\"ls\"],\"redirects\":[{\"path\":\"/x\",\"mode\":\"write\"}]}]}", "path.outside", DENY },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        begin(&bench, "[]");
        json_t *spec = json_loads(rows[i].spec, 0, NULL);
        judge(&bench, spec, 1);
        if (bench.report.verdict != rows[i].verdict || (rows[i].id && !has_id(&bench, rows[i].id))) {
            fail_msg("'%s' gave %u %s", rows[i].spec, bench.report.verdict, json_dumps(bench.report.list, JSON_COMPACT));
        }
        json_decref(spec);
        end(&bench);
    }
}

static void
rules_of_a_policy_lift_asks_and_nothing_else(void **state)
{
    (void)state;
    static const char user[] =
        "[{\"version\":1,\"scope\":\"user\",\"trusted\":1,\"commands\":[{\"id\":\"a\",\"match\":[\"git\",\"push\"],\"verdict\":"
        "\"allow\"},{\"id\":\"b\",\"match\":[\"sudo\"],\"verdict\":\"allow\"},{\"id\":\"c\",\"pattern\":\"^make .*install\","
        "\"verdict\":\"deny\",\"reason\":\"installs\"},{\"id\":\"d\",\"match\":[\"./x\"],\"verdict\":\"ask\",\"reason\":\"is x\"}]}]";
    static const char project[] = "[{\"version\":1,\"scope\":\"project\",\"trusted\":0,\"commands\":[{\"id\":\"a\",\"match\":"
                                  "[\"git\",\"push\"],\"verdict\":\"allow\"}]}]";
    static const struct {
        const char *policy, *text;
        viv_verdict verdict;
    } rows[] = {
        { user, "git push origin main", ALLOW }, { user, "git fetch", ASK },          { user, "/usr/bin/git push", ALLOW },
        { user, "sudo ls", DENY },               { user, "make -j2 install", DENY },  { user, "make", ALLOW },
        { user, "./x", ASK },                    { user, "y/x", ALLOW },              { user, "env make install", DENY },
        { project, "git push", ASK },            { user, "git push; curl x", ASK },
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct bench bench;
        begin(&bench, rows[i].policy);
        if (judge_shell(&bench, rows[i].text, 1) != rows[i].verdict) {
            fail_msg("'%s' gave %u", rows[i].text, bench.report.verdict);
        }
        end(&bench);
    }
}

static void
a_pattern_that_cannot_be_finished_fails_closed(void **state)
{
    (void)state;
    static const char slow[] = "[{\"version\":1,\"scope\":\"user\",\"trusted\":1,\"commands\":[{\"id\":\"s\",\"pattern\":\"^(x+x+)+$\","
                               "\"verdict\":\"%s\",\"reason\":\"r\"}]}]";
    static const struct {
        const char *verdict;
        viv_verdict wanted;
    } rows[] = { { "deny", DENY }, { "ask", ASK }, { "allow", ALLOW } };
    for (size_t i = 0; i < 3; i++) {
        char policy[300];
        char text[200] = "";
        struct bench bench;
        (void)snprintf(policy, sizeof policy, slow, rows[i].verdict);
        memset(text, 'x', 119);
        text[119] = '!';
        begin(&bench, policy);
        struct viv_str word = { text, 120 };
        struct argv argv = { &word, 1, 0 };
        uint32_t allowed = policy_judge_argv(&bench.call.call, bench.policy, &argv, &bench.report);
        assert_int_equal(bench.report.verdict, rows[i].wanted);
        assert_int_equal(allowed, 0);
        end(&bench);
    }
}

static void
depth_and_size_are_bounded(void **state)
{
    (void)state;
    struct bench bench;
    begin(&bench, "[]");
    json_t *spec = json_loads("{\"stages\":[{\"argv\":[]}]}", 0, NULL);
    json_t *argv = json_object_get(json_array_get(json_object_get(spec, "stages"), 0), "argv");
    for (int i = 0; i < 200; i++) {
        (void)json_array_append_new(argv, json_string("env"));
    }
    (void)json_array_append_new(argv, json_string("sudo"));
    judge(&bench, spec, 1);
    assert_true(has_id(&bench, "exec.depth"));
    assert_int_equal(bench.report.verdict, ASK);
    json_decref(spec);
    end(&bench);

    char *text = malloc(200001);
    assert_non_null(text);
    static const char *const fills[] = { "a;", "a|", "$(", "'", "\"$(", "((", ">a ", "sh -c '", "env ", "\\" };
    for (size_t fill = 0; fill < sizeof fills / sizeof *fills; fill++) {
        for (size_t i = 0; i < 200000; i++) {
            text[i] = fills[fill][i % strlen(fills[fill])];
        }
        text[200000] = '\0';
        begin(&bench, "[]");
        (void)judge_shell(&bench, text, 0);
        assert_true(bench.report.count <= REPORT_MAX);
        end(&bench);
    }
    free(text);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feared_commands_are_named),
        cmocka_unit_test(wrappers_are_looked_through),
        cmocka_unit_test(shell_text_hides_nothing_it_can_be_read_for),
        cmocka_unit_test(what_cannot_be_read_asks_outside_the_full_profile),
        cmocka_unit_test(everyday_commands_pass),
        cmocka_unit_test(documents_of_any_shape_are_judged_or_denied),
        cmocka_unit_test(rules_of_a_policy_lift_asks_and_nothing_else),
        cmocka_unit_test(a_pattern_that_cannot_be_finished_fails_closed),
        cmocka_unit_test(depth_and_size_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
