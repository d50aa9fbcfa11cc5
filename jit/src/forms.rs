//! Both forms of a function, ready to be lowered.
//!
//! The entry form comes first: its inference says what registers hold wherever a record may go on.
//! The resume form is then built with these facts.
//!
//! Invariant: the resume form's states go on only at points of the entry form, since it knows at
//! least as much.

use crate::build::{Shape, Source, TooLarge, build};
use crate::infer::{Passed, ResumeFacts, infer};
use crate::ir::Function;
use crate::kinds::Facts;
use crate::points::Mode;
use crate::simplify;
use ion_runtime::program::FuncId;

/// The entry form and what follows from it.
#[derive(Clone, Debug)]
pub struct Entry {
    /// The function.
    pub function: Function,
    /// Where records of the function may go on, and with what.
    pub resume: ResumeFacts,
}

/// Builds the entry form.
pub fn entry_form(
    source: Source<'_>,
    func: FuncId,
    mode: Mode,
    facts: &dyn Facts,
    passed: Passed<'_>,
) -> Result<Entry, TooLarge> {
    let mut built = build(source, func, mode, Shape::Plain)?;
    simplify::remove_trivial_params(&mut built.function, &mut built.envs);
    let inference = infer(&built.function, facts, passed);
    let mut resume = ResumeFacts::new(&built.envs, &inference);
    let mut function = built.function;
    simplify::specialise(&mut function, &inference, facts);
    simplify::clean(&mut function);
    resume.keep_used(&function);
    if built.enters_loops {
        // Facts come from the plain form: in a copy more may be known than a record tells.
        function = build(source, func, mode, Shape::Entry)?.function;
        simplify::remove_trivial_params(&mut function, &mut []);
        let inference = infer(&function, facts, passed);
        simplify::specialise(&mut function, &inference, facts);
        simplify::clean(&mut function);
    }
    debug_check(&function, source);
    Ok(Entry { function, resume })
}

/// Builds the resume form.
pub fn resume_form(
    source: Source<'_>,
    func: FuncId,
    mode: Mode,
    facts: &dyn Facts,
    resume: &ResumeFacts,
) -> Result<Function, TooLarge> {
    let mut function = build(source, func, mode, Shape::Resume(resume))?.function;
    simplify::remove_trivial_params(&mut function, &mut []);
    let inference = infer(&function, facts, Passed::ANYTHING);
    simplify::specialise(&mut function, &inference, facts);
    simplify::clean(&mut function);
    debug_check(&function, source);
    Ok(function)
}

fn debug_check(function: &Function, source: Source<'_>) {
    if cfg!(debug_assertions) {
        let own = |func| (func == function.func).then_some(source);
        if let Err(error) = crate::check::verify(function, own) {
            panic!("{error}\n{function}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::verify;
    use crate::kinds::Kinds;
    use crate::testing::{Random, TestFacts, Unit, assert_text};

    const FIB: &str = "
        load_const r1, 2
        less_than r2, r0, r1
        jump_if_false r2, else
        return r0
    else:
        load_const r3, '__function_ref:0'
        load_const r1, 1
        sub r4, r0, r1
        call r4, r3, [r4]
        load_const r1, 2
        sub r5, r0, r1
        call r5, r3, [r5]
        add r6, r4, r5
        return r6";

    const LOOP: &str = "
        load_const r1, 0
        load_const r2, 1
    top:
        less_than r3, r1, r0
        jump_if_false r3, done
        add r1, r1, r2
        jump top
    done:
        return r1";

    fn entry(unit: &Unit, mode: Mode, facts: &TestFacts, params: &[Kinds]) -> Entry {
        let passed = Passed { params, this: Kinds::ANY };
        entry_form(unit.source(), FuncId(0), mode, facts, passed).unwrap()
    }

    fn check(
        text: &str,
        mode: Mode,
        params: &[Kinds],
        expected_entry: &str,
        expected_resume: &str,
    ) {
        let unit = Unit::parse(text);
        let facts = TestFacts::default();
        let entry = entry(&unit, mode, &facts, params);
        assert_text(&entry.function.dump(), expected_entry);
        if !expected_resume.is_empty() {
            let resume = resume_form(unit.source(), FuncId(0), mode, &facts, &entry.resume);
            assert_text(&resume.unwrap().dump(), expected_resume);
        }
    }

    #[test]
    fn fib_of_anything() {
        check(
            FIB,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v1: any):
              @0 safepoint entry 1 -> @0 {r0: v1}
              @1 v4: boolean = less v1 2 -> @2 r2 {r0: v1}
              branch v4 b2 else b3
            b2:
              return v1
            b3:
              @6 v7: any = sub v1 1 -> @7 r4 {r0: v1, r3: function 0}
              @7 v8: any = call function 0(v7) -> @8 r4 {r0: v1, r3: function 0}
              @9 v9: any = sub v1 2 -> @10 r5 {r3: function 0, r4: v8}
              @10 v10: any = call function 0(v9) -> @11 r5 {r4: v8}
              @11 v11: any = add v8 v10 -> @12 r6 {}
              return v11",
            "",
        );
    }

    #[test]
    fn fib_of_numbers_has_no_states_but_those_of_calls() {
        let unit = Unit::parse(FIB);
        let facts = TestFacts { returns: [(0, Kinds::NUMBER)].into(), ..TestFacts::default() };
        let entry = entry(&unit, Mode::Safepoint, &facts, &[Kinds::NUMBER]);
        assert_text(
            &entry.function.dump(),
            "
            function 0 entry
            b0(v1: number):
              @0 safepoint entry 1 -> @0 {r0: v1}
              @1 v4: boolean = less v1 2
              branch v4 b2 else b3
            b2:
              return v1
            b3:
              @6 v7: number = sub v1 1
              @7 v8: number = call function 0(v7) -> @8 r4 {r0: v1, r3: function 0}
              @9 v9: number = sub v1 2
              @10 v10: number = call function 0(v9) -> @11 r5 {r4: v8}
              @11 v11: number = add v8 v10
              return v11",
        );
        let points: Vec<u32> = entry.resume.points.iter().map(|point| point.pc).collect();
        assert_eq!(points, [0, 8, 11]);
        let known = entry.resume.point(8).unwrap();
        let kinds: Vec<_> = known.regs.iter().map(|&(reg, fact)| (reg, fact.kinds)).collect();
        assert_eq!(kinds, [(0, Kinds::NUMBER), (3, Kinds::FUNCTION), (4, Kinds::NUMBER)]);
    }

    #[test]
    fn counting() {
        check(
            LOOP,
            Mode::Safepoint,
            &[Kinds::NUMBER],
            "
            function 0 entry
            b0(v4: number):
              @0 safepoint entry 1 -> @0 {r0: v4}
              jump b2(0)
            b2(v1: number):
              @2 v8: boolean = less v1 v4
              branch v8 b3 else b4
            b3:
              @4 v9: number = add v1 1
              @5 safepoint loop 1 -> @2 {r0: v4, r1: v9, r2: 1}
              jump b2(v9)
            b4:
              return v1",
            "
            function 0 resume
            b0:
              dispatch @0 b5, @2 b6
            b5:
              @0 v4: number = load r0
              jump b2(v4, 0)
            b6:
              @2 v5: number = load r0
              @2 v6: number = load r1
              jump b2(v5, v6)
            b2(v0: number, v1: number):
              @2 v9: boolean = less v1 v0
              branch v9 b3 else b4
            b3:
              @4 v10: number = add v1 1
              @5 safepoint loop 1 -> @2 {r0: v0, r1: v10, r2: 1}
              jump b2(v0, v10)
            b4:
              return v1",
        );
    }

    #[test]
    fn counting_in_instruction_mode() {
        check(
            LOOP,
            Mode::Instruction,
            &[Kinds::NUMBER],
            "
            function 0 entry
            b0(v4: number):
              @0 safepoint entry 2 -> @0 {r0: v4}
              @0 safepoint 1 -> @1 {r0: v4, r1: 0}
              @1 safepoint 1 -> @2 {r0: v4, r1: 0, r2: 1}
              jump b2(0)
            b2(v1: number):
              @2 v8: boolean = less v1 v4
              @2 safepoint 1 -> @3 {r0: v4, r1: v1, r2: 1, r3: v8}
              branch v8 b5 else b6
            b5:
              @3 safepoint 1 -> @4 {r0: v4, r1: v1, r2: 1}
              @4 v9: number = add v1 1
              @4 safepoint 1 -> @5 {r0: v4, r1: v9, r2: 1}
              @5 safepoint loop 1 -> @2 {r0: v4, r1: v9, r2: 1}
              jump b2(v9)
            b6:
              @3 safepoint 1 -> @6 {r1: v1}
              @6 charge 1
              return v1",
            "",
        );
    }

    #[test]
    fn closures_in_a_loop_capture_first_values() {
        let text = "
            load_const r1, '__function_ref:1'
        top:
            make_closure r2, r1, 's', [x:r0, y:r2]
            call r0, r2, []
            jump_if_true r0, top
            return r0";
        check(text, Mode::Safepoint, &[], "
            function 0 entry
            b0(v6: any, v7: any, v8: any):
              @0 safepoint entry 1 -> @0 {r0: v6, r2: v8, r3: absent, r4: absent}
              jump b2(v6, v8, absent, absent)
            b2(v0: any, v2: any, v3: any|absent, v4: any|absent):
              @1 v11: any = capture function 1 v3 v0
              @1 v12: any = capture function 1 v4 v2
              @1 v13: function = closure function 1(v11, v12)
              @2 v14: any = call function 1(v11, v12) -> @3 r0 {r1: function 1, r2: v13, r3: v11, r4: v12}
              @3 v15: boolean = truth v14
              branch v15 b4 else b3
            b4:
              @3 safepoint loop 1 -> @1 {r0: v14, r1: function 1, r2: v13, r3: v11, r4: v12}
              jump b2(v14, v13, v11, v12)
            b3:
              return v14", "
            function 0 resume
            b0:
              dispatch @0 b7, @1 b8, @3 b9
            b7:
              @0 v6: any = load r0
              @0 v7: any = load r2
              jump b4(v6, v7, absent, absent)
            b8:
              @1 v9: any = load r0
              @1 v11: any = load r2
              @1 v12: any|absent = load r3
              @1 v13: any|absent = load r4
              jump b4(v9, v11, v12, v13)
            b9:
              @3 v14: any = load r0
              @3 v15: function = load r2
              @3 v16: any = load r3
              @3 v17: any = load r4
              @3 v18: boolean = truth v14
              branch v18 b10 else b3
            b10:
              @3 safepoint loop 1 -> @1 {r0: v14, r1: function 1, r2: v15, r3: v16, r4: v17}
              jump b4(v14, v15, v16, v17)
            b4(v0: any, v2: any, v3: any|absent, v4: any|absent):
              @1 v19: any = capture function 1 v3 v0
              @1 v20: any = capture function 1 v4 v2
              @1 v21: function = closure function 1(v19, v20)
              @2 v22: any = call function 1(v19, v20) -> @3 r0 {r1: function 1, r2: v21, r3: v19, r4: v20}
              @3 v23: boolean = truth v22
              branch v23 b11 else b6
            b11:
              @3 safepoint loop 1 -> @1 {r0: v22, r1: function 1, r2: v21, r3: v19, r4: v20}
              jump b4(v22, v21, v19, v20)
            b6:
              return v22
            b3:
              return v14");
    }

    #[test]
    fn capturing_for_what_may_be_no_function() {
        let text = "
        top:
            make_closure r2, r1, 's', [x:r0]
            jump top";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v4: any, v5: any):
              @0 safepoint entry 1 -> @0 {r0: v4, r1: v5, r3: absent}
              jump b1(absent)
            b1(v2: any|absent):
              @0 v7: any|absent = capture v5 v2 v4
              @1 safepoint loop 1 -> @0 {r0: v4, r1: v5, r3: v7}
              jump b1(v7)",
            "",
        );
    }

    #[test]
    fn knots_without_a_single_head() {
        let text = "
            load_const r1, 1
            jump_if_true r0, right
        left:
            add r1, r1, r1
        right:
            sub r1, r1, r1
            jump_if_true r0, left
            jump_if_false r1, right
            return r1";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v5: any):
              @0 safepoint entry 1 -> @0 {r0: v5}
              @1 v8: boolean = truth v5
              branch v8 b2(v5, 1) else b5(v5, 1)
            b5(v2: any, v3: number):
              @2 v12: number = add v3 v3
              jump b2(v2, v12)
            b2(v0: any, v1: number):
              @3 v9: number = sub v1 v1
              @4 v10: boolean = truth v0
              branch v10 b6 else b3
            b6:
              @4 safepoint loop 1 -> @2 {r0: v0, r1: v9}
              jump b5(v0, v9)
            b3:
              @5 v11: boolean = truth v9
              branch v11 b4 else b7
            b4:
              return v9
            b7:
              @5 safepoint loop 1 -> @3 {r0: v0, r1: v9}
              jump b2(v0, v9)",
            "",
        );
    }

    #[test]
    fn wildcards_end_a_match() {
        let text = "
            match r0, [(1, 3), (2, 0), (_, 2), (3, 0)]
            return r0
            load_const r0, 1
            return r0";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v3: any):
              @0 safepoint entry 1 -> @0 {r0: v3}
              jump b1
            b1:
              match @0 v3 [b3(v3), b4] else b2
            b4:
              @0 safepoint loop 1 -> @0 {r0: v3}
              jump b1
            b2:
              jump b3(1)
            b3(v1: any):
              return v1",
            "",
        );
        let text = "
            match r0, [(_, 0)]
            return r0";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v2: any):
              @0 safepoint entry 1 -> @0 {r0: v2}
              jump b1
            b1:
              @0 safepoint loop 1 -> @0 {r0: v2}
              jump b1",
            "",
        );
    }

    #[test]
    fn processes() {
        let text = "
            load_const r1, '__function_ref:1'
            spawn r1, r1, [r0]
            send r1, r0
            receive r2
            receive_with_timeout r3, r0, r4
            jump_if_false r4, end
            link process3, r2
            select r0, [r1, r2]
            yield
        end:
            return r0";
        check(text, Mode::Safepoint, &[], "
            function 0 entry
            b0(v2: any):
              @0 safepoint entry 1 -> @0 {r0: v2}
              @1 v5: process = spawn function 1(v2)
              @1 safepoint 4 -> @2 {r0: v2, r1: v5}
              @2 send v5 v2
              @2 safepoint 4 -> @3 {r0: v2, r1: v5}
              @3 v6: any = receive retry -> @3 {r0: v2, r1: v5} -> @4 r2? {r0: v2, r1: v5}
              @3 safepoint 2 -> @4 {r0: v2, r1: v5}
              @4 v7: any, v8: boolean = receive_with_timeout v2 retry -> @4 {r0: v2, r1: v5} -> @5 r3? {r0: v2, r1: v5}
              @4 safepoint 2 -> @5 {r0: v2, r1: v5, r4: v8}
              branch v8 b2 else b3(v2)
            b2:
              @6 v9: any = link 3 retry -> @6 {r1: v5} -> @7 r2 {r1: v5}
              @6 safepoint 2 -> @7 {r1: v5, r2: v9}
              @7 v10: any = select (v5, v9) retry -> @7 {r1: v5, r2: v9} -> @8 r0 {}
              @7 safepoint 2 -> @8 {r0: v10}
              @8 yield 0 -> @9 {r0: v10}
              jump b3(v10)
            b3(v0: any):
              return v0", "");
    }

    #[test]
    fn library_functions_charge_behind_the_call() {
        let text = "
            load_const r1, '__stdlib:2'
            call r0, r1, [r0, r0]
            load_const r1, '__function_ref:99'
            call r0, r1, [r0]
            return r0";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v1: any):
              @0 safepoint entry 1 -> @0 {r0: v1}
              @1 v4: number|atom = call native 2(v1, v1) -> @2 r0 {}
              @1 safepoint 1 -> @2 {r0: v4}
              @3 v6: number|atom = call native 9(v4) -> @4 r0 {}
              @3 safepoint 1 -> @4 {r0: v6}
              return v6",
            "",
        );
        check(
            text,
            Mode::Instruction,
            &[],
            "
            function 0 entry
            b0(v1: any):
              @0 safepoint entry 2 -> @0 {r0: v1}
              @0 safepoint 1 -> @1 {r0: v1, r1: native 2}
              @1 v4: number|atom = call native 2(v1, v1) -> @2 r0 {}
              @1 safepoint 2 -> @2 {r0: v4}
              @1 safepoint 0 -> @2 {r0: v4}
              @2 safepoint 1 -> @3 {r0: v4, r1: function 99}
              @3 v6: number|atom = call native 9(v4) -> @4 r0 {}
              @3 safepoint 2 -> @4 {r0: v6}
              @3 safepoint 0 -> @4 {r0: v6}
              @4 charge 1
              return v6",
            "",
        );
    }

    #[test]
    fn what_is_known_is_not_computed() {
        let text = "
            load_const r1, 2
            load_const r2, 3
            mul r3, r1, r2
            load_const r4, 0
            div r5, r3, r4
            jump_if_true r5, never
            equal r6, r3, r5
            not r6, r6
            not r7, r6
            array_init r8, [r6]
            jump_if_true r7, never
            div r9, r3, r1
            return r9
        never:
            call r0, r0, []
            return r0";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v2: any):
              @0 safepoint entry 1 -> @0 {r0: v2}
              return 3",
            "",
        );
    }

    #[test]
    fn methods_see_this() {
        let text = "
            load_const r0, '__vm:this'
            load_const r1, 'x'
            get_prop r2, r0, r1
            load_const r3, 1
            add r2, r3, r2
            set_prop r0, r1, r2";
        check(
            text,
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0(v1: any):
              @0 safepoint entry 1 -> @0 {r4: v1}
              @2 v4: any = get_prop v1[atom 120] this v1 -> @3 r2 {r0: v1, r1: atom 120, r4: v1}
              @4 v6: number|undefined|complex = add 1 v4
              @5 set_prop v1[atom 120] = v6 this v1 -> @6 {}
              return ()",
            "",
        );
    }

    #[test]
    fn no_end_no_return() {
        check(
            "jump 0",
            Mode::Safepoint,
            &[],
            "
            function 0 entry
            b0:
              @0 safepoint entry 1 -> @0 {}
              jump b1
            b1:
              @0 safepoint loop 1 -> @0 {}
              jump b1",
            "
            function 0 resume
            b0:
              dispatch @0 b2
            b2:
              jump b1
            b1:
              @0 safepoint loop 1 -> @0 {}
              jump b1",
        );
        check(
            "",
            Mode::Instruction,
            &[],
            "
            function 0 entry
            b0:
              @0 safepoint entry 2 -> @0 {}
              return ()",
            "
            function 0 resume
            b0:
              dispatch @0 b2
            b2:
              return ()",
        );
    }

    #[test]
    fn random_functions() {
        let facts = TestFacts::default();
        for seed in 0..3000 {
            let mut random = Random(seed);
            let length = [4, 12, 40, 150][seed as usize % 4];
            let registers = 2 + random.below(8);
            let unit = random.function(length, registers, 4);
            for mode in [Mode::Safepoint, Mode::Instruction] {
                let own = |_| Some(unit.source());
                let built = build(unit.source(), FuncId(0), mode, Shape::Entry).unwrap();
                verify(&built.function, own).unwrap_or_else(|e| panic!("{e}\n{}", built.function));
                let entry = entry(&unit, mode, &facts, &[]);
                let resume =
                    resume_form(unit.source(), FuncId(0), mode, &facts, &entry.resume).unwrap();
                for function in [&entry.function, &resume] {
                    verify(function, own)
                        .unwrap_or_else(|e| panic!("seed {seed}: {e}\n{function}"));
                    for state in used_states(function) {
                        assert!(entry.resume.point(state).is_some(), "seed {seed}: @{state}");
                    }
                }
            }
        }
    }

    /// Bytecode indices at which the states of a function go on.
    fn used_states(function: &Function) -> Vec<u32> {
        let mut result = Vec::new();
        for block in crate::cfg::reverse_postorder(function) {
            for &inst in &function.block(block).insts {
                let inst = function.inst(inst);
                for state in [inst.before, inst.after].into_iter().flatten() {
                    result.push(function.state(state).pc);
                }
            }
        }
        result
    }

    #[test]
    fn large_functions_take_no_time() {
        // 2 microseconds for an instruction and form if optimised; this guards against squares.
        let facts = TestFacts::default();
        let unit = Random(7).long_function(10_000, 40, 4);
        let start = std::time::Instant::now();
        let entry = entry(&unit, Mode::Safepoint, &facts, &[]);
        resume_form(unit.source(), FuncId(0), Mode::Safepoint, &facts, &entry.resume).unwrap();
        assert!(start.elapsed().as_secs() < 5, "{:?}", start.elapsed());
    }
}
