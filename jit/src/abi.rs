//! Signatures of compiled functions, of runtime helpers, and of the stubs between them.
//!
//! | code | convention | parameters | results |
//! |---|---|---|---|
//! | entry | tail | reductions left; `this` if the frame has it, parameters, all boxed in float registers | status, reductions left, value |
//! | list entry | tail | address of `this` and parameters | status, reductions left, value |
//! | resume | tail | address of a frame record's registers | status, reductions left, value |
//! | enter stub | host | registers, process, address of a resume function | status |
//! | helper | host | process, words | a word, see the helper table |
//! | cold stub | preserve-all | words | none: status and result are in the process |
//!
//! The process is in the pinned register. Status 0: the value is the result; 1: the function has
//! written its frame record and unwinds. The reductions left are in the process when a list entry or resume form is
//! entered, a helper called, and a function has unwound; elsewhere what the process has is stale.

use cranelift_codegen::ir::{AbiParam, Signature, types};
use cranelift_codegen::isa::{CallConv, TargetIsa};
use ion_runtime::helpers::Helper;

/// What every compiled function returns.
fn returns_status(signature: &mut Signature) {
    signature.returns.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::I64));
    signature.returns.push(AbiParam::new(types::F64));
}

/// A function called with `params` values.
pub fn entry(params: usize) -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(types::I64));
    signature.params.extend((0..params).map(|_| AbiParam::new(types::F64)));
    returns_status(&mut signature);
    signature
}

/// A function called with an address: of a list of arguments, or of a record's registers.
pub fn of_address() -> Signature {
    let mut signature = Signature::new(CallConv::Tail);
    signature.params.push(AbiParam::new(types::I64));
    returns_status(&mut signature);
    signature
}

/// The stub through which the runtime enters compiled code, see [`ion_runtime::tier::EnterFn`].
pub fn enter(isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params.extend((0..3).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

/// A runtime helper.
pub fn helper(helper: Helper, isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params.extend((0..=helper.params()).map(|_| AbiParam::new(types::I64)));
    signature.returns.push(AbiParam::new(types::I64));
    signature
}

/// A library function of numbers, see [`ion_runtime::natives::Fast`].
pub fn of_numbers(count: usize, isa: &dyn TargetIsa) -> Signature {
    let mut signature = Signature::new(isa.default_call_conv());
    signature.params.extend((0..count).map(|_| AbiParam::new(types::F64)));
    signature.returns.push(AbiParam::new(types::F64));
    signature
}

/// A stub around a helper that clobbers nothing and leaves status and result in the process.
pub fn cold_stub(helper: Helper) -> Signature {
    let mut signature = Signature::new(CallConv::PreserveAll);
    signature.params.extend((0..helper.params()).map(|_| AbiParam::new(types::I64)));
    signature
}
