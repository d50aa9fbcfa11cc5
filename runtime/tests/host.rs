//! The machine as an object: host processes send, receive, link, monitor and are woken.

use ion_runtime::atom::AtomTable;
use ion_runtime::bytecode::assemble_package;
use ion_runtime::heap::copy::Parcel;
use ion_runtime::host::{Bond, Ended, HostProcess, Machine};
use ion_runtime::natives::Registry;
use ion_runtime::object::container;
use ion_runtime::process::library::library;
use ion_runtime::program::FuncId;
use ion_runtime::system::Config;
use ion_runtime::value::{Pid, Value};
use ion_runtime::vm::{Linked, Outputs};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

const SECOND: Option<Duration> = Some(Duration::from_secs(20));

fn machine(text: &str, schedulers: usize) -> Machine {
    let package = assemble_package(text).expect("the program is well-formed");
    let mut registry = Registry::new();
    library().into_iter().for_each(|def| registry.add(def));
    let linked = Linked::new(&package, &registry).expect("the program is valid");
    let config = Config { schedulers, open: true, ..Config::default() };
    let (outputs, _, _) = Outputs::captured();
    Machine::start(&linked, config, None, outputs).expect("the machine starts")
}

const ECHO: &str = "
function main {
    load_const r0, 1
    return r0
}
// Sends back what it gets, as (self, message).
function echo (arity: 1) {
again:
    receive r1
    load_const r2, 'self'
    array_init r3, [r2, r1]
    send r0, r3
    jump again
}
function crashes (arity: 1) {
    load_const r1, 1
    call r1, r1, [r0]
    return r1
}";

fn function(machine: &Machine, name: &str) -> FuncId {
    let found = machine.system().program.functions.iter();
    let mut found = found.filter(|function| function.name.as_deref() == Some(name));
    found.next().expect("the function exists").id
}

fn number(number: f64) -> Parcel {
    Parcel::copy(Value::number(number))
}

fn tuple(parts: &[Value]) -> Parcel {
    Parcel::build(1 << 20, |heap| heap.new_tuple(parts)).expect("it fits")
}

fn start(machine: &Machine, host: &HostProcess, name: &str, bond: Bond) -> (Pid, u64) {
    let args = tuple(&[Value::pid(host.pid())]);
    host.spawn(function(machine, name), &args, bond).expect("it starts")
}

fn texts(atoms: &AtomTable, message: &Parcel) -> Vec<String> {
    let parts = container::tuple(message.value).expect("a tuple").iter();
    parts.filter_map(|part| part.as_atom().map(|atom| atoms.text(atom).to_owned())).collect()
}

#[test]
fn messages_go_to_and_fro() {
    for schedulers in [1, 2] {
        let machine = machine(ECHO, schedulers);
        let host = machine.host_process(None).expect("there is room");
        let (echo, _) = start(&machine, &host, "echo", Bond::None);
        for i in 0..2000 {
            assert!(host.send(echo, number(f64::from(i))));
            let answer = host.receive(SECOND).expect("it runs").expect("in time");
            let parts = container::array(answer.value).expect("an array");
            assert_eq!(parts, [Value::pid(echo), Value::number(f64::from(i))]);
        }
        assert!(host.is_alive(echo));
        host.kill(echo);
        let reference = host.monitor(echo);
        let down = host.receive(SECOND).expect("it runs").expect("in time");
        let parts = container::tuple(down.value).expect("a tuple");
        assert_eq!(parts[1..3], [Value::number(reference as f64), Value::pid(echo)]);
        assert!(!host.send(echo, number(1.0)));
    }
}

#[test]
fn ends_arrive_as_messages() {
    let machine = machine(ECHO, 2);
    let host = machine.host_process(None).expect("there is room");
    let atoms = machine.system().atoms.clone();
    start(&machine, &host, "crashes", Bond::Link);
    let exit = host.receive(SECOND).expect("it runs").expect("in time");
    assert_eq!(texts(&atoms, &exit), ["exit"]);
    let reason = container::tuple(exit.value).expect("a tuple")[2];
    assert_eq!(container::tuple(reason).map(<[Value]>::len), Some(2));
    let (_, reference) = start(&machine, &host, "crashes", Bond::Monitor);
    let down = host.receive(SECOND).expect("it runs").expect("in time");
    assert_eq!(texts(&atoms, &down), ["down"]);
    let parts = container::tuple(down.value).expect("a tuple");
    assert_eq!(parts[1], Value::number(reference as f64));
}

#[test]
fn processes_see_the_end_of_a_host_process() {
    let machine = machine(ECHO, 2);
    let (one, two) = (machine.host_process(None), machine.host_process(None));
    let (one, two) = (one.expect("there is room"), two.expect("there is room"));
    let name = machine.system().atoms.intern("host");
    assert!(one.register(name) && !two.register(name));
    assert_eq!(two.whereis(name), Some(one.pid()));
    two.link(one.pid());
    drop(one);
    let exit = two.receive(SECOND).expect("it runs").expect("in time");
    assert_eq!(texts(&machine.system().atoms, &exit), ["exit", "normal"]);
    assert_eq!(two.whereis(name), None);
    two.kill(two.pid());
    assert!(matches!(two.receive(SECOND), Err(Ended::Exit(_))));
}

#[test]
fn waiting_ends_with_the_time_and_with_the_machine() {
    let machine = machine(ECHO, 1);
    let rings = Arc::new(AtomicU32::new(0));
    let counter = rings.clone();
    let ring = Arc::new(move || {
        counter.fetch_add(1, Ordering::SeqCst);
    });
    let host = machine.host_process(Some(ring)).expect("there is room");
    let started = Instant::now();
    let nothing = host.receive(Some(Duration::from_millis(30)));
    assert!(nothing.is_ok_and(|message| message.is_none()));
    assert!(started.elapsed() >= Duration::from_millis(30));
    assert!(host.send(host.pid(), number(1.0)));
    assert_eq!(rings.load(Ordering::SeqCst), 1);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| {
            assert!(host.receive(SECOND).is_ok_and(|message| message.is_some()));
            host.receive(SECOND).err()
        });
        std::thread::sleep(Duration::from_millis(20));
        machine.stop();
        assert_eq!(waiter.join().expect("no panic"), Some(Ended::Stopped));
    });
}
