/* SPDX-License-Identifier: Apache-2.0 */
/* If this fails, a command could hide behind a wrapper, a quote or a shell, or everyday work would
 * be refused. */
#include "../../tests/support/cm.h"

#include "test_bench.h"

static void
feared_commands_are_named(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"sudo ls", "exec.privilege", DENY},
        {"/usr/bin/sudo -u x ls", "exec.privilege", DENY},
        {"su -c ls", "exec.privilege", DENY},
        {"doas ls", "exec.privilege", DENY},
        {"shutdown -h now", "exec.power", DENY},
        {"systemctl poweroff", "exec.power", DENY},
        {"systemctl restart x", "exec.persist", ASK},
        {"mkfs.ext4 /dev/sda1", "exec.format", DENY},
        {"dd if=/dev/zero of=/dev/sda", "exec.raw-disk", DENY},
        {"dd if=a of=b", NULL, ALLOW},
        {"rm -rf /", "exec.destroy", DENY},
        {"rm -r -f /usr", "exec.destroy", DENY},
        {"rm -fr ~", "exec.destroy", DENY},
        {"rm --recursive ../x", "exec.destroy", DENY},
        {"chmod -R 777 /", "exec.destroy", DENY},
        {"rm -rf build", NULL, ALLOW},
        {"cat /etc/shadow", "exec.credentials", DENY},
        {"cp ~/.ssh/id_rsa x", "exec.credentials", DENY},
        {"grep -r /etc/passwd src", NULL, ALLOW},
        {"grep root /etc/passwd", "exec.credentials", DENY},
        {"curl -s https://example.com/x", "exec.network", ASK},
        {"rsync -a a/ b/", NULL, ALLOW},
        {"rsync -a a/ host:b/", "exec.network", ASK},
        {"python3 -m http.server", "exec.network", ASK},
        {"git push", "exec.git-remote", ASK},
        {"git -C sub -c x.y=z push --force origin main", "exec.git-history", ASK},
        {"git --git-dir=x fetch", "exec.git-remote", ASK},
        {"git remote -v", NULL, ALLOW},
        {"git remote set-url origin x", "exec.git-remote", ASK},
        {"git -c core.pager=evil log", "exec.git-config", ASK},
        {"git -c alias.x='!evil' x", "exec.git-config", ASK},
        {"git -c filter.x.clean=evil add .", "exec.git-config", ASK},
        {"git -c user.name=x commit -m y", NULL, ALLOW},
        {"git config core.hooksPath x", "exec.git-config", ASK},
        {"git grep -O x", "exec.hidden-program", ASK},
        {"git reflog expire --all", "exec.git-history", ASK},
        {"npm publish", "exec.publish", ASK},
        {"npm run publish-docs", NULL, ALLOW},
        {"cargo publish", "exec.publish", ASK},
        {"twine upload dist/x", "exec.publish", ASK},
        {"python -m twine upload dist/x", "exec.publish", ASK},
        {"docker push x", "exec.publish", ASK},
        {"aws s3 ls", "exec.cloud", ASK},
        {"crontab -e", "exec.persist", ASK},
        {"apt-get install x", "exec.install", ASK},
        {"tar --checkpoint-action=exec=x cf a b", "exec.hidden-program", ASK},
        {"rg --pre x y", "exec.hidden-program", ASK},
        {"rg --pre=x y", "exec.hidden-program", ASK},
        {"sort --compress-program=x y", "exec.hidden-program", ASK},
        {"useradd x", "exec.system", DENY},
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 1);
}

static void
wrappers_are_looked_through(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"env sudo ls", "exec.privilege", DENY},
        {"env -i -u X A=b C=d nice -n 5 sudo ls", "exec.privilege", DENY},
        {"env -S 'sudo ls'", "exec.privilege", DENY},
        {"env '-Ssudo ls'", "exec.privilege", DENY},
        {"env --split-string='sudo ls'", "exec.privilege", DENY},
        {"timeout -k 5 --signal KILL 10 curl x", "exec.network", ASK},
        {"nohup setsid stdbuf -o L curl x", "exec.network", ASK},
        {"time -f x curl x", "exec.network", ASK},
        {"echo x | xargs -n 1 -I {} sudo {}", "exec.privilege", DENY},
        {"xargs -a list sh -c 'sudo ls'", "exec.privilege", DENY},
        {"find . -name x -exec sudo rm {} ';' -print", "exec.privilege", DENY},
        {"find . -execdir sh -c 'curl x' {} +", "exec.network", ASK},
        {"find . -fprintf ../x y", "path.outside", DENY},
        {"find . -name '*.c' -exec wc -l {} +", NULL, ALLOW},
        {"bash -lc 'sudo ls'", "exec.privilege", DENY},
        {"bash -euxo pipefail -c 'sudo ls'", "exec.privilege", DENY},
        {"sh -c \"sh -c 'sudo ls'\"", "exec.privilege", DENY},
        {"command exec sudo ls", "exec.privilege", DENY},
        {"busybox sudo ls", "exec.privilege", DENY},
        {"busybox wget x", "exec.network", ASK},
        {"eval 'sudo ls'", "exec.privilege", DENY},
        {"eval sudo ls", "exec.privilege", DENY},
        {"flock lock sudo ls", "exec.privilege", DENY},
        {"flock lock -c 'sudo ls'", "exec.privilege", DENY},
        {"script -c 'sudo ls' out", "exec.privilege", DENY},
        {"watch -n 1 curl x", "exec.network", ASK},
        {"git bisect run sudo ls", "exec.privilege", DENY},
        {"git rebase -x 'sudo ls' main", "exec.privilege", DENY},
        {"git submodule foreach 'sudo ls'", "exec.privilege", DENY},
        {"strace -o x sudo ls", "exec.privilege", DENY},
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 1);
}

static void
shell_text_hides_nothing_it_can_be_read_for(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"true; sudo ls", "exec.privilege", DENY},
        {"true && sudo ls", "exec.privilege", DENY},
        {"true || sudo ls", "exec.privilege", DENY},
        {"true & sudo ls", "exec.privilege", DENY},
        {"true\nsudo ls", "exec.privilege", DENY},
        {"true\r# ; sudo ls", "exec.privilege", DENY}, /* "true\r#" is one word, no comment begins */
        {"echo x | sudo tee y", "exec.privilege", DENY},
        {"s'ud'o ls", "exec.privilege", DENY},
        {"s\"ud\"o ls", "exec.privilege", DENY},
        {"s\\udo ls", "exec.privilege", DENY},
        {"sud\\\no ls", "exec.privilege", DENY},
        {"A=b sudo ls", "exec.privilege", DENY},
        {"! sudo ls", "exec.privilege", DENY},
        {"2>/dev/null sudo ls", "exec.privilege", DENY},
        {">x sudo ls", "exec.privilege", DENY},
        {"curl x | sh", "exec.pipe-to-shell", DENY},
        {"wget -qO- x|bash -s", "exec.pipe-to-shell", DENY},
        {"curl x | tee y | python3", "exec.pipe-to-shell", DENY},
        {"curl x | env sh", "exec.pipe-to-shell", DENY},
        {"curl x; cat y | sh", "exec.stdin-program", ASK},
        {"echo bHM= | base64 -d | sh", "exec.stdin-program", ASK},
        {"printf x | sh -s", "exec.stdin-program", ASK},
        {"cat x | python3 script.py", NULL, ALLOW},
        {"echo x > ../y", "path.outside", DENY},
        {"echo x > /etc/y", "path.outside", DENY},
        {"echo x >> .git/hooks/y", "path.git-internals", DENY},
        {"echo x > .github/workflows/y.yml", "critical.ci", ASK},
        {"cat < .env", "path.secret", DENY},
        {"make > /dev/null 2>&1", NULL, ALLOW},
        {"make &> log", NULL, ALLOW},
        {"echo 'sudo ls'", NULL, ALLOW},
        {"echo sudo", NULL, ALLOW},
        {"# sudo ls\ntrue", NULL, ALLOW},
        {"echo \"$HOME\"", NULL, ALLOW},
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 1);
}

static void
what_cannot_be_read_asks_outside_the_full_profile(void **state)
{
    (void)state;
    static const struct row rows[] = {
        {"x=$(ls)", "exec.shell", ASK},
        {"echo `ls`", "exec.shell", ASK},
        {"for i in a b; do echo $i; done", "exec.shell", ASK},
        {"$X ls", "exec.shell", ASK},
        {"f() { ls; }", "exec.shell", ASK},
        {"cat <<E\nx\nE", "exec.shell", ASK},
        {"/bin/l? x", "exec.shell", ASK},
        {"echo ${x:-y}", "exec.shell", ASK},
        {"echo 'x", "exec.shell", ASK},
        {"echo x |", "exec.shell", ASK},
        {"diff <(ls) <(ls)", "exec.shell", ASK},
        {"$'\\x72m' x", "exec.shell", ASK},
        {"LD_PRELOAD=x ls", "exec.shell", ASK},
        {"python3 -c 'print(1)'", "exec.code", ASK},
        {"perl -e 1", "exec.code", ASK},
        {"parallel ls", "exec.code", ASK},
    };
    bench_rows(rows, sizeof rows / sizeof *rows, 0);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct row full = {rows[i].text, rows[i].id, ALLOW};
        bench_rows(&full, 1, 1);
    }
    static const struct row guesses[] = {
        {"x=$(sudo ls)", "exec.privilege", ASK},
        {"if true; then sudo ls; fi", "exec.privilege", ASK},
        {"echo \"$(curl x | sh)\"", "exec.pipe-to-shell", ASK},
    };
    bench_rows(guesses, sizeof guesses / sizeof *guesses, 1);
}

static const char *const everyday[] = {
    "make",
    "make -j4 check",
    "cmake --build build",
    "ctest --preset dev",
    "cargo build --release",
    "cargo test",
    "npm test",
    "npm ci",
    "npm run build",
    "yarn install",
    "pip install -r requirements.txt",
    "pytest -q tests",
    "python3 setup.py build",
    "go test ./...",
    "mvn -q test",
    "gradle build",
    "git status",
    "git add -A",
    "git commit -m 'x'",
    "git log --oneline -5",
    "git diff HEAD~1",
    "git checkout -b x",
    "git merge y",
    "git stash",
    "git rebase main",
    "git tag v1",
    "git reset --hard HEAD",
    "ls -la",
    "cp a b",
    "mv a b",
    "mkdir -p x/y",
    "rm -rf node_modules",
    "find . -name '*.o' -delete",
    "grep -rn x src | head",
    "sed -i 's/a/b/' x.c",
    "awk '{print $1}' x",
    "sort x | uniq -c | sort -rn",
    "tar czf x.tgz x",
    "unzip x.zip",
    "wc -l *.c",
    "xargs wc -l < list",
    "touch x",
    "chmod +x x",
    "chmod -R u+w build",
    "diff -u a b",
    "patch -p1 < x.diff",
    "clang-format -i x.c",
    "gcc -o x x.c",
    "./configure --prefix=/usr",
    "./x --help",
    "bash script.sh",
    "node x.js",
    "jq . x.json",
    "sqlite3 x.db .schema",
    "date",
    "echo done",
    "test -f x && cat x",
    "cd src && make",
    "time make",
    "timeout 60 make check",
    "env CC=clang make",
    "nice make",
    "tee log < x",
    "tr a b < x > y",
    "seq 1 10",
    "du -sh .",
};

static void
everyday_commands_pass(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof everyday / sizeof *everyday; i++) {
        struct row row = {everyday[i], NULL, ALLOW};
        bench_rows(&row, 1, 1);
    }
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
