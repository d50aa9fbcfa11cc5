//! `ionc repl` with a stream as its input: each test is a session, what it writes and what it says.

use assert_cmd::Command;

/// Runs a session; gives status, output and error output.
fn session_with(args: &[&str], input: &str) -> (i32, String, String) {
    let mut command = Command::cargo_bin("ionc").expect("the binary is built");
    let run = command
        .arg("repl")
        .args(args)
        .write_stdin(input)
        .timeout(std::time::Duration::from_secs(60));
    let output = run.output().expect("it runs");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("UTF-8");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

/// A session without mistakes prints this.
#[track_caller]
fn prints(input: &str, expected: &str) {
    assert_eq!(session_with(&[], input), (0, expected.to_owned(), String::new()), "{input}");
}

#[test]
fn values_are_shown_as_a_program_writes_them() {
    prints(
        "1 + 2\n\"a\" + \"b\"\n:ok\n[1, (2, :x)]\n{ a: \"b\" }\n",
        "3\n\"ab\"\n:ok\n[1, (2, :x)]\n{ a: \"b\" }\n",
    );
    prints(
        "undefined\n()\nprintln(1)\nif (true) { println(2); }\nlet x = 3;\n// nothing\n\n",
        "undefined\n1\n2\n",
    );
}

#[test]
fn variables_and_functions_stay() {
    prints("let n = 1\nn = n + 1\nn += 3\nn\n", "2\n5\n5\n");
    prints("const (a, b) = (1, [2, 3])\nconst { x, y } = { x: a, y: b }\ny[x]\n", "3\n");
    prints(
        "function twice(n) { return 2 * n; }\nconst four = (n) => twice(twice(n))\nfour(3)\n",
        "12\n",
    );
    prints("function fib(n) { return n < 2 ? n : fib(n - 1) + fib(n - 2); }\nfib(15)\n", "610\n");
}

#[test]
fn closures_share_variables_with_later_inputs() {
    prints(
        "let n = 1; const show = () => n; const inc = () => { n = n + 1; }\nn = 10\ninc()\nshow()\nn\n",
        "10\n11\n11\n",
    );
}

#[test]
fn a_name_declared_again_is_another() {
    prints(
        "let n = 1\nconst old = () => n\nlet n = \"two\"\nn\nold()\nfunction f() { return 1; }\nfunction g() { return f(); }\nfunction f() { return 2; }\n(f(), g())\n",
        "\"two\"\n1\n(2, 1)\n",
    );
}

#[test]
fn functions_of_one_input_know_each_other() {
    prints(
        "function even(n) { return n == 0 ? true : odd(n - 1); }; function odd(n) { return n == 0 ? false : even(n - 1); }\neven(10)\nodd(4)\n",
        "true\nfalse\n",
    );
}

#[test]
fn processes_go_on_between_inputs() {
    prints(
        "function counter(n) {\n  receive {\n    (:add, k) => counter(n + k),\n    (:get, from) => { send(from, n); counter(n); },\n  }\n}\n\
         const c = spawn(counter, [0])\nsend(c, (:add, 5))\nsend(c, (:add, 6))\nsend(c, (:get, self))\nreceive()\n",
        "11\n",
    );
}

#[test]
fn the_prompt_is_one_process() {
    prints(
        "const me = self\nsend(self, 1); send(self, 2)\nreceive()\nValue.same(me, self)\nreceive()\nreceive(0)\n",
        "1\ntrue\n2\nundefined\n",
    );
}

#[test]
fn crashes_do_not_end_it() {
    let (status, out, err) = session_with(
        &[],
        "let n = 7\nsend(self, :kept)\nfunction f(x) { return x.y.z(); }\nf(1)\nn\nreceive()\nconst lost = f(2)\nlost\n",
    );
    assert_eq!((status, out.as_str()), (1, "7\n:kept\n"), "{err}");
    assert!(err.contains("crashed"), "{err}");
    assert!(err.contains("at Input3:f (input 3:1:"), "{err}");
    assert!(!err.contains("__session"), "{err}");
    // What a failed input declares is not there.
    assert!(err.contains("unknown name `lost`"), "{err}");
}

#[test]
fn exits_and_kills_do_not_end_it() {
    let (status, out, err) = session_with(
        &[],
        "let n = 7\nexit(:bored)\nProcess.kill(self)\nn\nconst child = Process.spawnLink(() => exit(:gone), [])\nmatch (receive()) { (:exit, _, reason) => reason, _ => :other }\n",
    );
    assert_eq!((status, out.as_str()), (1, "7\n:gone\n"), "{err}");
    assert!(err.contains("the process of the prompt ended with the reason bored"), "{err}");
}

#[test]
fn mistakes_are_shown_and_nothing_runs() {
    let (status, out, err) =
        session_with(&[], "println(1); nmae\nlet name = 1\nnmae\nname = 2\nconst k = 1\nk = 2\n");
    assert_eq!((status, out.as_str()), (1, "2\n"), "{err}");
    assert!(err.contains("input 1:1:13"), "{err}");
    assert!(err.contains("did you mean `name`?"), "{err}");
    assert!(err.contains("cannot assign to `k`, a constant"), "{err}");
}

#[test]
fn inputs_may_have_several_lines() {
    prints(
        "[\n1,\n2\n]\n1 +\n2\n`a\nb${\n1}`\n/* a\ncomment */ 3\nconst f = (x) =>\n  x * 2\nf(4)\n",
        "[1, 2]\n3\n\"a\\nb1\"\n3\n8\n",
    );
    // What is not finished at the end is a mistake.
    let (status, _, err) = session_with(&[], "function f() {\n");
    assert_eq!(status, 1);
    assert!(err.contains("error"), "{err}");
}

#[test]
fn modules_can_be_imported_and_named() {
    prints(
        "import { call } from \"std/request\"\nconst echo = () => call(self, :x, 0)\necho()\nArray.sort([3, 1, 2], (a, b) => a - b)\nArray.map([1, 2], (x) => x + 1)\n",
        "(:error, :noproc)\n[1, 2, 3]\n[2, 3]\n",
    );
}

#[test]
fn functions_of_a_program_are_at_hand() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("Bank.ion");
    std::fs::write(&path, "import { half } from \"Tools\";\nexport const RATE = 3;\nfunction worth(n) { return half(n) * RATE; }\nfunction main() {}\n").expect("written");
    std::fs::write(
        folder.path().join("Tools.ion"),
        "function half(n) { return n / 2; }\nfunction third(n) { return n / 3; }\n",
    )
    .expect("written");
    let path = path.to_str().expect("a path");
    let (status, out, err) = session_with(
        &[path],
        "worth(4)\nBank.RATE\nTools.third(9)\nfunction worth(n) { return n; }\nworth(1)\n.names\n",
    );
    assert_eq!((status, err.as_str()), (0, ""));
    assert_eq!(out, "6\n3\n3\n1\nRATE\nmain\nworth\n");
}

#[test]
fn spawn_takes_names() {
    prints(
        "function worker(parent) { send(parent, receive() * 2); }\nconst w = spawn(\"Worker\", [self])\nsend(w, 21)\nreceive()\n",
        "42\n",
    );
}

#[test]
fn commands_begin_with_a_dot() {
    let (status, out, err) = session_with(
        &[],
        "let a = 1\nfunction b() {}\n.names\n.processes\n.nothing\n.help\n.quit\nprintln(1)\n",
    );
    assert_eq!(status, 1);
    assert!(out.starts_with("a\nb\nprocess "), "{out}");
    assert!(out.contains(".quit"), "{out}");
    assert!(out.ends_with("written.\n"), "nothing behind .quit: {out}");
    assert!(err.contains("there is no command '.nothing'; .help lists them"), "{err}");
}

#[test]
fn many_inputs_and_much_memory() {
    let mut input = "let sum = 0\n".to_owned();
    for i in 0..500 {
        input.push_str(&format!("function f{i}(x) {{ return x + {i}; }}; sum = f{i}(sum); ()\n"));
    }
    input.push_str("sum\nArray.length(Array.range(0, 100000))\n");
    prints(&input, "124750\n100000\n");
}

#[cfg(unix)]
#[test]
fn an_interrupt_stops_what_runs() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let mut child = std::process::Command::new(env!("CARGO_BIN_EXE_ionc"))
        .arg("repl")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    for wait in ["while (true) {}", "receive()", "sleep(1000000)"] {
        writeln!(stdin, "let kept = 1; println(:ready); {wait}").expect("written");
        assert_eq!(lines.next().expect("a line").expect("text"), "ready");
        let kill =
            std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
        assert!(kill.expect("there is a kill").success());
        writeln!(stdin, ":after").expect("written");
        assert_eq!(lines.next().expect("a line").expect("text"), ":after");
    }
    drop(stdin);
    let output = child.wait_with_output().expect("it ends");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&output.stderr), "interrupted\ninterrupted\ninterrupted\n");
}

/// Sessions in the guide: lines that begin with `> ` are typed.
#[test]
fn sessions_in_the_guide() {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/guide.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let sessions: Vec<&str> = page
        .split("```repl\n")
        .skip(1)
        .map(|rest| rest.split("```").next().unwrap_or_default())
        .collect();
    assert!(!sessions.is_empty());
    for session in sessions {
        let lines = || session.lines().map(|line| line.strip_prefix("> ").ok_or(line));
        let typed: String =
            lines().filter_map(Result::ok).map(|line| format!("{line}\n")).collect();
        let shown: String =
            lines().filter_map(Result::err).map(|line| format!("{line}\n")).collect();
        prints(&typed, &shown);
    }
}
