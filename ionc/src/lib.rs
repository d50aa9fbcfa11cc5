//! ionc
