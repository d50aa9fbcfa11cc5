//! Interned texts. Comparing two atoms compares their indices.

use crate::append_vec::AppendVec;
use crate::value::Atom;
use rustc_hash::FxHashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};

/// What is known about an atom.
#[derive(Debug)]
struct AtomInfo {
    text: Arc<str>,
    /// The number that the text denotes as an array index, if any.
    index: Option<u32>,
}

/// The atoms of one system. Readers never wait for each other.
#[derive(Debug)]
pub struct AtomTable {
    by_text: RwLock<FxHashMap<Arc<str>, Atom>>,
    infos: AppendVec<AtomInfo>,
    /// Most atoms that programs may make, see [`AtomTable::try_intern`].
    limit: AtomicUsize,
}

/// There are as many atoms as there may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooManyAtoms {
    /// The limit.
    pub limit: usize,
}

macro_rules! well_known {
    ($($name:ident = $text:literal;)*) => {
        /// Atoms that the runtime itself refers to; the same in every table.
        #[allow(non_upper_case_globals, missing_docs, reason = "named like their texts")]
        pub mod known {
            use crate::value::Atom;
            #[allow(non_camel_case_types, clippy::upper_case_acronyms, reason = "only numbers the rows")]
            enum Row { $($name),* }
            $(pub const $name: Atom = Atom(Row::$name as u32);)*
            pub(super) const TEXTS: &[&str] = &[$($text),*];
        }
    };
}

well_known! {
    empty = "";
    tag = "__tag";
    slots = "__slots";
    proto = "__proto__";
    this = "__vm:this";
    getattr = "__getattr__";
    setattr = "__setattr__";
    call = "__call__";
    str = "__str__";
    add = "__add__";
    sub = "__sub__";
    mul = "__mul__";
    div = "__div__";
    eq = "__eq__";
    lt = "__lt__";
    le = "__le__";
    length = "length";
    exit = "exit";
    down = "down";
    crash = "crash";
    normal = "normal";
    killed = "killed";
    noproc = "noproc";
    mailbox_full = "mailboxFull";
}

/// Is this the name of a magic method? Shapes remember whether they have one.
pub(crate) fn is_magic(atom: Atom) -> bool {
    (known::getattr.0..=known::le.0).contains(&atom.0)
}

/// The array index that `text` denotes: decimal digits, optionally behind a plus sign.
fn parse_index(text: &str) -> Option<u32> {
    let digits = text.strip_prefix('+').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}

impl AtomTable {
    /// A table that holds the well-known atoms.
    pub fn new() -> AtomTable {
        let table = AtomTable {
            by_text: RwLock::default(),
            infos: AppendVec::new(),
            limit: AtomicUsize::new(usize::MAX),
        };
        for text in known::TEXTS {
            table.intern(text);
        }
        table
    }

    /// The atom with this text, if there is one.
    pub fn find(&self, text: &str) -> Option<Atom> {
        self.by_text.read().unwrap_or_else(|e| e.into_inner()).get(text).copied()
    }

    /// Sets how many atoms there may be when a running program makes more.
    pub(crate) fn set_limit(&self, limit: usize) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// The atom with this text, for what running programs make of their data.
    ///
    /// # Errors
    /// If it would be one more than there may be.
    pub fn try_intern(&self, text: &str) -> Result<Atom, TooManyAtoms> {
        let limit = self.limit.load(Ordering::Relaxed);
        if self.len() >= limit {
            return self.find(text).ok_or(TooManyAtoms { limit });
        }
        Ok(self.intern(text))
    }

    /// The atom with this text, whatever the limit: for texts of the machine and of programs.
    pub fn intern(&self, text: &str) -> Atom {
        if let Some(&atom) = self.by_text.read().unwrap_or_else(|e| e.into_inner()).get(text) {
            return atom;
        }
        let mut by_text = self.by_text.write().unwrap_or_else(|e| e.into_inner());
        if let Some(&atom) = by_text.get(text) {
            return atom;
        }
        let text: Arc<str> = Arc::from(text);
        let info = AtomInfo { text: text.clone(), index: parse_index(&text) };
        let atom = Atom(self.infos.push(info) as u32);
        by_text.insert(text, atom);
        atom
    }

    /// The text of an atom.
    pub fn text(&self, atom: Atom) -> &str {
        self.infos.get(atom.0 as usize).map_or("", |info| &info.text)
    }

    /// The array index that the atom's text denotes.
    #[inline]
    pub fn index(&self, atom: Atom) -> Option<u32> {
        self.infos.get(atom.0 as usize)?.index
    }

    /// How many atoms there are.
    pub fn len(&self) -> usize {
        self.infos.len()
    }

    /// Never: a table holds at least the well-known atoms.
    pub fn is_empty(&self) -> bool {
        false
    }
}

impl Default for AtomTable {
    fn default() -> Self {
        AtomTable::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_make_no_more_than_the_limit() {
        let atoms = AtomTable::new();
        let a = atoms.intern("a");
        atoms.set_limit(atoms.len() + 1);
        assert_eq!(atoms.try_intern("a"), Ok(a));
        let limit = atoms.len() + 1;
        assert!(atoms.try_intern("b").is_ok());
        assert_eq!(atoms.try_intern("c"), Err(TooManyAtoms { limit }));
        assert_eq!(atoms.try_intern("a"), Ok(a));
    }

    #[test]
    fn interning_is_idempotent_and_indices_parse() {
        let atoms = AtomTable::new();
        let a = atoms.intern("hello");
        assert_eq!(atoms.intern("hello"), a);
        assert_eq!(atoms.text(a), "hello");
        assert_eq!(atoms.intern("__str__"), known::str);
        let index = |text| atoms.index(atoms.intern(text));
        assert_eq!(index("0"), Some(0));
        assert_eq!(index("+007"), Some(7));
        assert_eq!(index("-1"), None);
        assert_eq!(index("+"), None);
        assert_eq!(index("1x"), None);
        assert_eq!(index("99999999999"), None);
    }
}
