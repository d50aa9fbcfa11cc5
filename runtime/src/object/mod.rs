//! Heap objects of the language: texts, containers, objects with shapes, closures.

pub mod closure;
pub mod container;
pub(crate) mod dict;
pub mod edit;
pub mod instance;
pub mod kind;
pub mod shape;
pub mod string;

pub use kind::Kind;
