//! Machines in a host: calls, messages, ends, limits, natives, several at a time.

use ion_ffi::{Term, Vm, VmBuilder, VmError};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

const PROGRAM: &str = r#"
    .main Main start
    function add (arity: 2) {
        add r0, r0, r1
        return r0
    }
    function kind_of (arity: 1) {
        load_const r1, '__stdlib:Value.kind'
        call r0, r1, [r0]
        return r0
    }
    function same (arity: 1) {
        return r0
    }
    function property (arity: 1) {
        load_const r1, 'x'
        get_prop r0, r0, r1
        load_const r1, 1
        add r0, r0, r1
        return r0
    }
    function fail (arity: 1) {
        call r0, r0, []
        return r0
    }
    function outer (arity: 1) {
        load_const r1, '__function_ref:fail'
        call r1, r1, [r0]
        return r1
    }
    function twice {
    again:
        receive r0
        load_const r1, 1
        get_prop r2, r0, r1
        load_const r1, 2
        get_prop r3, r0, r1
        send r2, r3
        send r2, r3
        jump again
    }
    function last (arity: 14) {
        return r13
    }
    function twelfth (arity: 12) {
        return r11
    }
    function send_last (arity: 13) {
        send r0, r12
        return r0
    }
    function for_ever {
    again:
        receive r0
        jump again
    }
    function spin {
    again:
        jump again
    }
    function echo {
    again:
        receive r0
        load_const r1, 0
        get_prop r1, r0, r1
        load_const r2, 'stop'
        equal r2, r1, r2
        jump_if_true r2, stop
        load_const r1, 1
        get_prop r2, r0, r1
        load_const r1, 2
        get_prop r3, r0, r1
        send r2, r3
        jump again
    stop:
        load_const r1, '__function_ref:fail'
        call r1, r1, [r1]
        call r1, r1, []
        return r1
    }
    function say (arity: 1) {
        load_const r1, '__stdlib:PrintLn'
        call r1, r1, [r0]
        return r1
    }
    function host (arity: 1) {
        load_const r1, '__stdlib:Host.note'
        call r1, r1, [r0]
        return r1
    }
    function tell (arity: 2) {
        send r0, r1
        return r1
    }
    function grow {
        load_const r0, []
        load_const r1, 0
        load_const r2, 1
    again:
        set_prop r0, r1, r0
        add r1, r1, r2
        jump again
    }
    function start (arity: 1) {
        return r0
    }
"#;

fn vms(change: impl Fn(VmBuilder) -> VmBuilder) -> Vec<Vm> {
    let start = |builder: VmBuilder| {
        change(builder.capture_output()).load_text(PROGRAM).expect("it is valid")
    };
    vec![start(Vm::builder().jit(false)), start(Vm::builder().jit(true)), start(Vm::builder())]
}

fn each(test: impl Fn(Vm)) {
    vms(|builder| builder).into_iter().for_each(test);
}

const SOON: Option<Duration> = Some(Duration::from_secs(20));

#[test]
fn calls_give_results() {
    each(|vm| {
        let sum = vm.call("add", [Term::from(1), Term::from(2)]).unwrap();
        assert_eq!(sum, Term::from(3));
        let text = vm.call("Other:add", [Term::from("a"), Term::from("b")]);
        assert!(matches!(text, Err(VmError::Term(_))), "{text:?}");
        let text = vm.call("add", [Term::from("a"), Term::from("b")]).unwrap();
        assert_eq!(text, Term::from("ab"));
        assert_eq!(vm.run_main(&["x", "y"], SOON).unwrap(), Term::from(vec!["x", "y"]));
        let many = vec![Term::Unit; 20];
        assert!(matches!(vm.call("add", many), Err(VmError::TooManyArguments(20))));
    });
}

#[test]
fn values_cross_the_border_both_ways() {
    each(|vm| {
        let values = vec![
            Term::Undefined,
            Term::Unit,
            Term::from(true),
            Term::from(-0.5),
            Term::Complex(1.0, -2.0),
            Term::atom("an atom"),
            Term::from("text"),
            Term::from("long ".repeat(1000)),
            Term::from((1, "two", Term::atom("three"))),
            Term::from(vec![1, 2, 3]),
            Term::Object(vec![("x".into(), Term::from(1)), ("y".into(), Term::Array(vec![]))]),
            Term::from(vm.pid()),
            Term::Function("Main:add".into()),
        ];
        for value in values {
            let value = match value {
                // The class is called like the package's.
                Term::Function(_) => vm.call("same", [Term::Function("add".into())]).unwrap(),
                value => value,
            };
            assert_eq!(vm.call("same", [value.clone()]).unwrap(), value);
        }
        // Objects that the program did not make, under a name that it reads.
        let object = Term::Object(vec![("x".into(), Term::from(41))]);
        assert_eq!(vm.call("property", [object]).unwrap(), Term::from(42));
        let object = Term::Object(vec![("x".into(), Term::from("text"))]);
        assert_eq!(vm.call("property", [object]).unwrap(), Term::Undefined);
        let mut deep = Term::Unit;
        (0..1000).for_each(|_| deep = Term::Array(vec![std::mem::replace(&mut deep, Term::Unit)]));
        assert!(matches!(vm.call("same", [deep]), Err(VmError::Term(_))));
    });
}

#[test]
fn crashes_are_errors_with_a_trace() {
    each(|vm| {
        let Err(VmError::Exit(exit)) = vm.call("outer", [Term::from(7)]) else {
            panic!("no crash")
        };
        let crash = exit.crash.as_ref().expect("the crash is known");
        assert_eq!(crash.trap.to_string(), "call of a value that is no function (kind Number)");
        let functions: Vec<_> = crash.trace.iter().map(|line| line.function.as_str()).collect();
        assert_eq!(functions.len(), 2, "{functions:?}");
        assert!(functions[0].ends_with(":fail") && functions[1].ends_with(":outer"));
        assert!(!exit.is_normal() && exit.to_string().contains(":fail, instruction 0"), "{exit}");
        assert_eq!(vm.error_output(), "");
        // Of a process that nobody called, the crash is reported.
        let pid = vm.spawn("fail", [Term::from(7)]).unwrap();
        assert!(!vm.wait(pid, SOON).unwrap().expect("it ends").is_normal());
        assert!(vm.error_output().contains("crashed: call of a value that is no function"));
    });
}

#[test]
fn messages_and_questions() {
    each(|vm| {
        let echo = vm.spawn("echo", []).unwrap();
        for number in 0..100 {
            assert_eq!(vm.ask(echo, number, SOON).unwrap(), Term::from(number));
        }
        let answer = vm.ask_with(echo, |from| Term::from((Term::atom("x"), from, "y")), SOON);
        assert_eq!(answer.unwrap(), Term::from("y"));
        assert_eq!(vm.receive(Some(Duration::ZERO)).unwrap(), None);
        vm.spawn("tell", [Term::from(vm.pid()), Term::from("hello")]).unwrap();
        assert_eq!(vm.receive(SOON).unwrap(), Some(Term::from("hello")));
        // It crashes instead of answering.
        let asked = vm.ask_with(echo, |_| Term::from((Term::atom("stop"), 0)), SOON);
        assert!(matches!(&asked, Err(VmError::Exit(exit)) if exit.crash.is_some()), "{asked:?}");
        assert!(!vm.is_alive(echo) && !vm.send(echo, 1).unwrap());
        let asked = vm.ask(echo, 1, SOON);
        assert!(
            matches!(&asked, Err(VmError::Exit(exit)) if exit.reason == Term::atom("noproc")),
            "{asked:?}"
        );
    });
}

#[test]
fn a_second_answer_is_for_nobody() {
    each(|vm| {
        let twice = vm.spawn("twice", []).unwrap();
        for number in 0..200 {
            let answer = vm.ask(twice, f64::from(number), Some(Duration::from_secs(10)));
            assert_eq!(answer.unwrap(), Term::from(f64::from(number)));
        }
    });
}

#[test]
fn functions_with_many_parameters_can_be_called() {
    each(|vm| {
        let args = || (0..14).map(|number| Term::from(f64::from(number)));
        assert_eq!(vm.call("last", args()).unwrap(), Term::from(13.0));
        // The last of twelve, which no function has as many parameters for.
        let twelve = || (0..12).map(|number| Term::from(f64::from(number)));
        assert_eq!(vm.call("twelfth", twelve()).unwrap(), Term::from(11.0));
        let parent = [Term::Process(vm.pid())];
        vm.spawn("send_last", parent.into_iter().chain(twelve())).unwrap();
        assert_eq!(vm.receive(SOON).unwrap(), Some(Term::from(11.0)));
        let more = args().chain([Term::Unit]);
        let Err(VmError::TooManyArguments(15)) = vm.call("last", more) else {
            panic!("15 arguments are too many")
        };
    });
}

#[test]
fn time_limits_and_ends() {
    each(|vm| {
        let waits = vm.spawn("for_ever", []).unwrap();
        let started = Instant::now();
        let asked = vm.ask(waits, 1, Some(Duration::from_millis(30)));
        assert!(matches!(asked, Err(VmError::Timeout)));
        assert!(started.elapsed() >= Duration::from_millis(30));
        assert_eq!(vm.wait(waits, Some(Duration::from_millis(5))).unwrap(), None);
        vm.kill(waits);
        let exit = vm.wait(waits, SOON).unwrap().expect("it has ended");
        assert!(exit.reason == Term::atom("killed") || exit.reason == Term::atom("noproc"));
        // A call that takes too long is killed.
        let called = vm.call_within("spin", [], Some(Duration::from_millis(30)));
        assert!(matches!(called, Err(VmError::Timeout)));
        let waits = vm.spawn("for_ever", []).unwrap();
        vm.link(waits);
        vm.exit(waits, Term::from((Term::atom("because"), 1))).unwrap();
        let message = vm.receive(SOON).unwrap().expect("a message");
        let expected = (Term::atom("exit"), waits, Term::from((Term::atom("because"), 1)));
        assert_eq!(message, Term::from(expected));
    });
}

#[test]
fn natives_of_the_host() {
    let count = Arc::new(AtomicUsize::new(0));
    let counted = count.clone();
    let add = move |builder: VmBuilder| {
        let counted = counted.clone();
        builder.native("Host.note", &["value"], move |value: Term| match value.as_number() {
            Some(number) if number < 0.0 => Err("no numbers below 0".to_owned()),
            Some(number) if number > 9.0 => panic!("too large"),
            _ => {
                counted.fetch_add(1, Ordering::Relaxed);
                Ok(Term::Object(vec![("x".into(), value)]))
            }
        })
    };
    for vm in vms(add) {
        let given = vm.call("host", [Term::from(5)]).unwrap();
        assert_eq!(given.get("x"), Some(&Term::from(5)));
        let error = vm.call("host", [Term::from(-1)]).unwrap();
        assert_eq!(
            error.as_text(),
            Some("error:FFI call error: Runtime error: no numbers below 0")
        );
        let panicked = vm.call("host", [Term::from(10)]);
        assert!(
            matches!(&panicked, Err(VmError::Exit(exit)) if exit.to_string().contains("too large"))
        );
    }
    assert_eq!(count.load(Ordering::Relaxed), 3);
}

#[test]
fn output_is_captured_and_machines_are_apart() {
    let vms: Vec<Vm> = (0..4).flat_map(|_| self::vms(|builder| builder)).collect();
    std::thread::scope(|scope| {
        for (at, vm) in vms.iter().enumerate() {
            scope.spawn(move || {
                for turn in 0..50 {
                    vm.call("say", [Term::from(format!("{at}.{turn}"))]).unwrap();
                }
            });
        }
    });
    for (at, vm) in vms.iter().enumerate() {
        let expected: String = (0..50).map(|turn| format!("{at}.{turn}\n")).collect();
        assert_eq!(vm.output(), expected);
    }
}

#[test]
fn limits_hold() {
    for vm in vms(|builder| builder.max_heap(1 << 20)) {
        let called = vm.call_within("grow", [], SOON);
        let text = called.unwrap_err().to_string();
        assert!(text.contains("out of memory: the limit is 1048576 bytes"), "{text}");
        // Others are not affected.
        assert_eq!(vm.call("add", [Term::from(1), Term::from(1)]).unwrap(), Term::from(2));
    }
}

#[test]
fn stopping_wakes_who_waits() {
    each(|vm| {
        let waits = vm.spawn("for_ever", []).unwrap();
        std::thread::scope(|scope| {
            let asks = scope.spawn(|| vm.ask(waits, 1, None));
            let receives = scope.spawn(|| vm.receive(None));
            std::thread::sleep(Duration::from_millis(20));
            vm.stop();
            assert!(matches!(asks.join().unwrap(), Err(VmError::Stopped)));
            assert!(matches!(receives.join().unwrap(), Err(VmError::Stopped)));
        });
    });
}

#[test]
fn bad_packages_are_refused() {
    assert!(matches!(Vm::builder().load_bytes(b"nothing"), Err(VmError::Package(_))));
    assert!(matches!(Vm::builder().load_path("/does/not/exist"), Err(VmError::Io(_))));
    assert!(matches!(Vm::builder().load_text("function {"), Err(VmError::Text(_))));
    let wrong = "function main {\n return r99999\n}";
    assert!(Vm::builder().load_text(wrong).is_err());
}
