//! Projects and the commands that work on Ion sources: new, build, check, run, dependencies.

use assert_cmd::Command;
use std::path::Path;
use tempfile::TempDir;

struct Folder(TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a folder"))
    }

    fn write(&self, path: &str, text: &str) {
        let path = self.0.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).expect("a folder");
        std::fs::write(path, text).expect("writable");
    }

    fn project(&self, name: &str, version: &str, dependencies: &str, class: &str, text: &str) {
        let library = if class == "Main" { "" } else { "library = true\n" };
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"{version}\"\n{library}[dependencies]\n{dependencies}\n"
        );
        self.write(&format!("{name}/ion.toml"), &manifest);
        self.write(&format!("{name}/src/{class}.ion"), text);
    }

    /// Runs `ionc` in the folder: exit status, standard output, standard error.
    fn ionc(&self, args: &[&str]) -> (i32, String, String) {
        let mut command = Command::cargo_bin("ionc").expect("the command is built");
        let output = command.current_dir(&self.0).args(args).output().expect("it runs");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
        (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
    }

    fn fails(&self, args: &[&str], part: &str) {
        let (status, out, err) = self.ionc(args);
        assert_eq!((status, out.as_str()), (1, ""), "{err}");
        assert!(err.contains(part), "'{part}' is not in:\n{err}");
    }
}

#[test]
fn a_new_project_runs_builds_and_checks() {
    let folder = Folder::new();
    let (status, out, _) = folder.ionc(&["new", "hello"]);
    assert_eq!((status, out.as_str()), (0, "made hello; try: ionc run hello\n"));
    assert_eq!(folder.ionc(&["run", "hello"]).1, "Hello, world!\n");
    assert_eq!(folder.ionc(&["run", "--jit", "hello", "Ada"]).1, "Hello, Ada!\n");
    assert_eq!(folder.ionc(&["check", "hello"]).1, "1 class without errors\n");
    let (status, out, _) = folder.ionc(&["build", "hello"]);
    assert!(status == 0 && out.starts_with("hello.ionpack ("), "{out}");
    assert_eq!(folder.ionc(&["run", "hello.ionpack", "Eve"]).1, "Hello, Eve!\n");
    folder.fails(&["run"], "no project here");
    let inside = folder.0.path().join("hello");
    let mut command = Command::cargo_bin("ionc").expect("the command is built");
    command.current_dir(inside).arg("run").assert().success().stdout("Hello, world!\n");
    folder.fails(&["new", "hello"], "exists already");
    assert_eq!(folder.ionc(&["new", "1x"]).0, 2);
}

#[test]
fn packages_carry_sources_and_lines() {
    let folder = Folder::new();
    folder.write("crash.ion", "function main() {\n    const x = 5;\n    x();\n}\n");
    folder.ionc(&["build", "crash.ion"]);
    let (status, _, err) = folder.ionc(&["run", "crash.ionpack"]);
    assert_eq!(status, 1);
    assert!(err.contains("at crash:main (crash.ion:3:5)"), "{err}");
    let (_, _, err) = folder.ionc(&["run", "--debug", "crash.ionpack"]);
    assert!(err.contains("(crash.ion:3:5)"), "{err}");
    assert!(folder.ionc(&["info", "crash.ionpack"]).1.contains("crash.ion"));
}

#[test]
fn a_file_finds_its_neighbours() {
    let folder = Folder::new();
    folder.write("app.ion", "import { double as twice } from \"Utils\";\nfunction main() {\n    spawn(\"Worker\", [self]);\n    println(twice(21), Utils.half(4), receive());\n}\n");
    folder.write(
        "Utils.ion",
        "export function double(n) { return 2 * n; }\nfunction half(n) { return n / 2; }\n",
    );
    folder.write("Worker.ion", "function worker(parent) { send(parent, :hi); }\n");
    assert_eq!(folder.ionc(&["run", "app.ion"]).1, "42, 2, hi\n");
    folder.write("app.ion", "import { dubble } from \"Utils\";\nfunction main() { dubble(1); }\n");
    folder.fails(&["run", "app.ion"], "did you mean `double`?");
}

#[test]
fn errors_are_all_reported_and_nothing_is_written() {
    let folder = Folder::new();
    folder.write("bad.ion", "function main() {\n    prinln(1);\n    let x = ;\n    foo(;\n}\n");
    let (status, out, err) = folder.ionc(&["build", "bad.ion"]);
    assert_eq!((status, out.as_str()), (1, ""));
    assert_eq!(err.matches("error:").count(), 2, "{err}");
    assert!(err.ends_with("bad.ion: 2 errors; nothing was made\n"), "{err}");
    assert!(!folder.0.path().join("bad.ionpack").exists());
    let (status, out, _) = folder.ionc(&["check", "--json", "bad.ion"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, json["errors"].as_u64()), (1, Some(2)));
    assert_eq!(json["diagnostics"][0]["start"]["line"], 3);
}

#[test]
fn dependencies_are_found_by_their_paths() {
    let folder = Folder::new();
    folder.project(
        "app",
        "0.1.0",
        "shop = { path = \"../shop\", version = \"^1.2\" }",
        "Main",
        "function main() { println(Shop.price(2)); }\n",
    );
    folder.project(
        "shop",
        "1.4.0",
        "money = { path = \"../money\" }",
        "Shop",
        "function price(n) { return Money.euro(n * 10); }\n",
    );
    folder.project("money", "2.0.0", "", "Money", "function euro(n) { return `${n} EUR`; }\n");
    assert_eq!(folder.ionc(&["run", "app"]).1, "20 EUR\n");
    folder.ionc(&["build", "app"]);
    assert!(folder.ionc(&["info", "app.ionpack"]).1.contains("shop ^1.2"));
}

#[test]
fn packages_are_found_when_a_package_is_run() {
    let folder = Folder::new();
    folder.project(
        "app",
        "0.1.0",
        "shop = { path = \"../shop\", version = \"^1.2\" }",
        "Main",
        "function main() { println(Shop.price(2)); }\n",
    );
    folder.project(
        "shop",
        "1.4.0",
        "money = { path = \"../money\" }",
        "Shop",
        "function price(n) { return Money.euro(n * 10); }\n",
    );
    folder.project("money", "2.0.0", "", "Money", "function euro(n) { return `${n} EUR`; }\n");
    for name in ["app", "shop", "money"] {
        let out = format!("packs/{name}.ionpack");
        std::fs::create_dir_all(folder.0.path().join("packs")).expect("a folder");
        let (status, _, err) = folder.ionc(&["build", "--separate", name, "-o", &out]);
        assert_eq!(status, 0, "{err}");
    }
    let app = "packs/app.ionpack";
    assert_eq!(folder.ionc(&["run", "--packages", "packs", app]).1, "20 EUR\n");
    folder.fails(
        &["run", "--packages", "app", app],
        "dependency missing (app -> shop): there is no shop.ionpack in app",
    );
    std::fs::remove_file(folder.0.path().join("packs/money.ionpack")).expect("it is there");
    folder.fails(&["run", "--packages", "packs", app], "dependency missing (app -> shop -> money)");
    folder.project("money", "2.0.0", "", "Shop", "function euro(n) { return n; }\n");
    folder.ionc(&["build", "money", "-o", "packs/money.ionpack"]);
    folder.fails(
        &["run", "--packages", "packs", app],
        "class 'Shop' (app -> shop -> money) is defined already",
    );
    std::fs::remove_file(folder.0.path().join("money/src/Shop.ion")).expect("it is there");
    folder.project(
        "money",
        "2.0.0",
        "shop = { path = \"../shop\" }",
        "Money",
        "function euro(n) { return n; }\n",
    );
    folder.project("shop", "1.0.0", "", "Shop", "function price(n) { return n; }\n");
    folder.ionc(&["build", "--separate", "money", "-o", "packs/money.ionpack"]);
    folder.fails(&["run", "--packages", "packs", app], "in a circle: app -> shop -> money -> shop");
    folder.ionc(&["build", "shop", "-o", "packs/shop.ionpack"]);
    folder.fails(
        &["run", "--packages", "packs", app],
        "version conflict (app -> shop): needs shop ^1.2, found 1.0.0",
    );
}

#[test]
fn wrong_dependencies_show_the_chain() {
    let folder = Folder::new();
    let main = "function main() { println(1); }\n";
    let class = "function f() { return 1; }\n";
    folder.project("app", "0.1.0", "a = { path = \"../a\" }", "Main", main);
    folder.project("a", "1.0.0", "b = { path = \"../b\" }", "A", class);
    folder.project("b", "1.0.0", "a = { path = \"../a\" }", "B", class);
    folder.fails(&["run", "app"], "in a circle: app -> a -> b -> a");
    folder.project("b", "1.0.0", "c = { path = \"../c\" }", "B", class);
    folder.fails(&["run", "app"], "dependency missing (app -> a -> b -> c)");
    folder.project("b", "1.0.0", "c = { path = \"../c\", version = \">=2\" }", "B", class);
    folder.project("c", "1.5.0", "", "C", class);
    folder
        .fails(&["run", "app"], "version conflict (app -> a -> b -> c): needs c >=2, found 1.5.0");
    folder.project("b", "1.0.0", "d = { path = \"../c\" }", "B", class);
    folder.fails(&["run", "app"], "is called 'c' in its own ion.toml");
    folder.project("b", "1.0.0", "", "A", class);
    folder.fails(&["run", "app"], "class 'A' is also in");
    folder.write("app/ion.toml", "[package]\nname = \"app\"\n");
    folder.fails(&["run", "app"], "ion.toml:1:1: [package] has no 'version'");
}

#[test]
fn tests_run_each_in_its_own_machine() {
    let folder = Folder::new();
    folder.ionc(&["new", "hello"]);
    let (status, out, err) = folder.ionc(&["test", "hello"]);
    assert_eq!(status, 0, "{out}{err}");
    assert!(
        out.starts_with("ok      MainTest.test_greets_by_name\n1 passed, 0 failed in "),
        "{out}"
    );
    folder.write(
        "t.ion",
        "const shared = { n: 0 };\n\
         function test_good() { shared.n += 1; assertEqual((shared.n, [\"a\", { k: :b }]), (1, [\"a\", { k: :b }])); assert(1 < 2); }\n\
         function test_own() { shared.n += 1; assertEqual(shared.n, 1); }\n\
         function test_bad() {\n    println(\"shown\");\n    assertEqual([1, \"two\", :three], (1, 2));\n}\n\
         function test_false() { assert(1 > 2, \"numbers\"); }\n\
         function test_crash() { const x = 5; x(); }\n\
         function test_waits() { receive(); }\n\
         function helper() { return 1; }\n",
    );
    let (status, out, _) = folder.ionc(&["test", "t.ion"]);
    assert_eq!(status, 1);
    for part in [
        "ok      t.test_good\n",
        "ok      t.test_own\n",
        "FAILED  t.test_bad\n        t.ion:6:5: expected (1, 2), found [1, \"two\", :three]\n      | shown\n",
        "FAILED  t.test_false\n        t.ion:8:25: assertion failed: 1 > 2: numbers\n",
        "at t:test_crash (t.ion:9:38)",
        "FAILED  t.test_waits\n        waits for ever",
        "2 passed, 4 failed in ",
    ] {
        assert!(out.contains(part), "'{part}' is not in\n{out}");
    }
    let (status, out, _) = folder.ionc(&["test", "--filter", "good", "--json", "--jit", "t.ion"]);
    let json: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((status, json["passed"].as_u64(), json["failed"].as_u64()), (0, Some(1), Some(0)));
}

#[test]
fn formatting_in_place() {
    let folder = Folder::new();
    folder.ionc(&["new", "hello"]);
    assert_eq!(folder.ionc(&["fmt", "--check", "hello"]), (0, String::new(), String::new()));
    folder.write("a.ion", "function main(){println(1)}\n");
    assert_eq!(folder.ionc(&["fmt", "--check", "a.ion"]).0, 1);
    assert_eq!(folder.ionc(&["fmt", "a.ion"]).1, "a.ion\n");
    assert_eq!(
        std::fs::read_to_string(folder.0.path().join("a.ion")).unwrap_or_default(),
        "function main() { println(1); }\n"
    );
    folder.write("a.ion", "function main( {");
    folder.fails(&["fmt", "a.ion"], "has errors; see 'ionc check a.ion'");
}

#[test]
fn sources_without_main_can_be_looked_at() {
    let folder = Folder::new();
    folder.write(
        "Utils.ion",
        "function double(n) { return 2 * n; }\nfunction half(n) { return n / 2; }\n",
    );
    assert!(folder.ionc(&["dis", "Utils.ion", "Utils:half"]).1.contains("DIV"));
    folder.fails(&["run", "Utils.ion"], "there is no function `main`");
    folder.write("wait.ion", "function main() {\n    receive();\n}\n");
    folder.fails(&["run", "wait.ion"], "waits for a message at wait:main (wait.ion:2:5)");
}
