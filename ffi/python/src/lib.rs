//! The Python module: building packages, and running them.
//!
//! Native half of the package `ionvm`; what is in Python is in `python/ionvm`. Every class keeps its data
//! in Rust and can be used from any thread. No argument of a wrong kind panics: it raises.

mod builder;
mod convert;
mod instruction;
mod value;
mod vm;

use pyo3::prelude::*;

#[pymodule]
fn _ionvm(module: &Bound<'_, PyModule>) -> PyResult<()> {
    module.add("__version__", env!("CARGO_PKG_VERSION"))?;
    module.add_class::<value::Value>()?;
    module.add_class::<value::Pattern>()?;
    module.add_class::<instruction::Instruction>()?;
    module.add_class::<builder::Function>()?;
    module.add_class::<builder::IonPackBuilder>()?;
    module.add_class::<convert::Atom>()?;
    module.add_class::<convert::FunctionRef>()?;
    module.add_class::<convert::Unit>()?;
    module.add("UNIT", convert::unit(module.py())?)?;
    module.add_class::<vm::Vm>()?;
    module.add_class::<vm::Pid>()?;
    module.add_class::<vm::Question>()?;
    module.add_function(wrap_pyfunction!(vm::compile, module)?)?;
    module.add("IonError", module.py().get_type::<vm::IonError>())?;
    module.add("ProcessExit", module.py().get_type::<vm::ProcessExit>())?;
    Ok(())
}
