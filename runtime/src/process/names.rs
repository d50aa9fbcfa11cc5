//! Names under which processes can be found. A process has at most one, and gives it up at its end.

use crate::value::{Atom, Pid};
use rustc_hash::FxHashMap;
use std::sync::{RwLock, RwLockReadGuard, RwLockWriteGuard};

/// See the module text.
#[derive(Debug, Default)]
pub(crate) struct Names(RwLock<Maps>);

#[derive(Debug, Default)]
struct Maps {
    pids: FxHashMap<Atom, Pid>,
    names: FxHashMap<Pid, Atom>,
}

impl Names {
    // No code that can panic runs under the lock, so the maps are whole even if it is poisoned.
    fn read(&self) -> RwLockReadGuard<'_, Maps> {
        self.0.read().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn write(&self) -> RwLockWriteGuard<'_, Maps> {
        self.0.write().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Gives a name; false if the process has one or the name is taken.
    pub(crate) fn add(&self, name: Atom, pid: Pid) -> bool {
        let mut maps = self.write();
        let free = !maps.pids.contains_key(&name) && !maps.names.contains_key(&pid);
        if free {
            maps.pids.insert(name, pid);
            maps.names.insert(pid, name);
        }
        free
    }

    /// Takes a name back; false if there was none.
    pub(crate) fn remove(&self, name: Atom) -> bool {
        let mut maps = self.write();
        let pid = maps.pids.remove(&name);
        pid.map(|pid| maps.names.remove(&pid)).is_some()
    }

    /// Takes back the name of a process.
    pub(crate) fn forget(&self, pid: Pid) {
        let mut maps = self.write();
        if let Some(name) = maps.names.remove(&pid) {
            maps.pids.remove(&name);
        }
    }

    /// Who has a name.
    pub(crate) fn find(&self, name: Atom) -> Option<Pid> {
        self.read().pids.get(&name).copied()
    }

    /// The name of a process.
    pub(crate) fn of(&self, pid: Pid) -> Option<Atom> {
        self.read().names.get(&pid).copied()
    }
}
