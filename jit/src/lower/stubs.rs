//! Small pieces of code that are not lowered from bytecode: entries and stubs.

use super::TRUSTED;
use crate::abi;
use cranelift_codegen::ir::{FuncRef, InstBuilder, StackSlotData, StackSlotKind, Value, types};
use cranelift_codegen::isa::TargetIsa;
use cranelift_frontend::FunctionBuilder;
use ion_runtime::helpers::Helper;
use ion_runtime::layout;
use ion_runtime::program::FuncId;

fn start(b: &mut FunctionBuilder<'_>) -> Vec<Value> {
    let block = b.create_block();
    b.append_block_params_for_function_params(block);
    b.switch_to_block(block);
    b.block_params(block).to_vec()
}

fn call_helper(
    b: &mut FunctionBuilder<'_>,
    isa: &dyn TargetIsa,
    helper: Helper,
    args: &[Value],
) -> Value {
    let signature = b.import_signature(abi::helper(helper, isa));
    let process = b.ins().get_pinned_reg(types::I64);
    let worker = b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_WORKER as i32);
    let at = (layout::WORKER_HELPERS + helper.offset()) as i32;
    let address = b.ins().load(types::I64, TRUSTED, worker, at);
    let mut all = vec![process];
    all.extend_from_slice(args);
    let call = b.ins().call_indirect(signature, address, &all);
    b.inst_results(call)[0]
}

/// The stub through which the runtime enters compiled code: `(registers, process, resume) -> status`.
pub fn lower_enter(b: &mut FunctionBuilder<'_>) {
    let params = start(b);
    let (registers, process, code) = (params[0], params[1], params[2]);
    let saved = b.ins().get_pinned_reg(types::I64);
    b.ins().set_pinned_reg(process);
    let signature = b.import_signature(abi::of_address());
    let call = b.ins().call_indirect(signature, code, &[registers]);
    let results = b.inst_results(call);
    let (status, fuel, value) = (results[0], results[1], results[2]);
    b.ins().store(TRUSTED, value, process, layout::PROCESS_RESULT as i32);
    b.ins().set_pinned_reg(saved);
    // What unwinds has stored them.
    let (returned, done) = (b.create_block(), b.create_block());
    b.ins().brif(status, done, &[], returned, &[]);
    b.switch_to_block(returned);
    b.ins().store(TRUSTED, fuel, process, layout::PROCESS_FUEL as i32);
    b.ins().jump(done, &[]);
    b.switch_to_block(done);
    b.ins().return_(&[status]);
    b.seal_all_blocks();
}

/// A stub around a helper that leaves status and result in the process.
pub fn lower_cold_stub(b: &mut FunctionBuilder<'_>, isa: &dyn TargetIsa, helper: Helper) {
    let params = start(b);
    let status = call_helper(b, isa, helper, &params);
    let process = b.ins().get_pinned_reg(types::I64);
    b.ins().store(TRUSTED, status, process, layout::PROCESS_STATUS as i32);
    b.ins().return_(&[]);
    b.seal_all_blocks();
}

/// The entry of a function for a list of arguments: `this`, then the parameters.
pub fn lower_list_entry(
    b: &mut FunctionBuilder<'_>,
    entry: FuncRef,
    params: usize,
    takes_this: bool,
) {
    let list = start(b)[0];
    let mut args = Vec::with_capacity(params + 2);
    let process = b.ins().get_pinned_reg(types::I64);
    args.push(b.ins().load(types::I64, TRUSTED, process, layout::PROCESS_FUEL as i32));
    let first = usize::from(!takes_this);
    for at in first..=params {
        args.push(b.ins().load(types::F64, TRUSTED, list, at as i32 * 8));
    }
    b.ins().return_call(entry, &args);
    b.seal_all_blocks();
}

/// The entry of a function that has no compiled code: hands its call to the interpreter.
pub fn lower_missing(
    b: &mut FunctionBuilder<'_>,
    isa: &dyn TargetIsa,
    function: FuncId,
    takes_this: bool,
) {
    let params = start(b);
    let (fuel, params) = (params[0], &params[1..]);
    let process = b.ins().get_pinned_reg(types::I64);
    b.ins().store(TRUSTED, fuel, process, layout::PROCESS_FUEL as i32);
    let count = params.len() + usize::from(!takes_this);
    let data = StackSlotData::new(StackSlotKind::ExplicitSlot, count.max(1) as u32 * 8, 3);
    let slot = b.create_sized_stack_slot(data);
    let list = b.ins().stack_addr(types::I64, slot, 0);
    let mut at = 0;
    if !takes_this {
        let undefined = b.ins().iconst(types::I64, ion_runtime::value::bits::UNDEFINED as i64);
        b.ins().store(TRUSTED, undefined, list, 0);
        at = 8;
    }
    for &param in params {
        b.ins().store(TRUSTED, param, list, at);
        at += 8;
    }
    let number = b.ins().iconst(types::I64, i64::from(function.0));
    let status = call_helper(b, isa, Helper::interpret, &[number, list]);
    let nothing = b.ins().f64const(0.0);
    // It always unwinds.
    b.ins().return_(&[status, fuel, nothing]);
    b.seal_all_blocks();
}
