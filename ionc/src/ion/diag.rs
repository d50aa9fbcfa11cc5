//! What the compiler has to say about a program: plain data.

use super::source::Span;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The program cannot be compiled.
    Error,
    /// The program is compiled, and probably not what was meant.
    Warning,
}

impl Severity {
    /// The word that starts the message.
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One message about one place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diag {
    /// How bad it is.
    pub severity: Severity,
    /// What is wrong, lower case, naming the thing.
    pub message: String,
    /// Index of the source text.
    pub file: usize,
    /// The place that is underlined.
    pub span: Span,
    /// What is written under the place.
    pub label: String,
    /// A second place that explains the first, and what is written there.
    pub also: Option<(Span, String)>,
    /// What to do.
    pub help: Option<String>,
}

impl Diag {
    /// An error.
    pub fn error(span: Span, message: impl Into<String>) -> Diag {
        Diag {
            severity: Severity::Error,
            message: message.into(),
            file: 0,
            span,
            label: String::new(),
            also: None,
            help: None,
        }
    }

    /// A warning.
    pub fn warning(span: Span, message: impl Into<String>) -> Diag {
        Diag { severity: Severity::Warning, ..Diag::error(span, message) }
    }

    /// With a text under the underlined place.
    pub fn label(self, label: impl Into<String>) -> Diag {
        Diag { label: label.into(), ..self }
    }

    /// With a second place.
    pub fn also(self, span: Span, text: impl Into<String>) -> Diag {
        Diag { also: Some((span, text.into())), ..self }
    }

    /// With advice.
    pub fn help(self, help: impl Into<String>) -> Diag {
        Diag { help: Some(help.into()), ..self }
    }

    /// Is it an error?
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }
}

/// The near names as advice, if there are any.
pub fn near_help<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    let near = ion_runtime::bytecode::near::near_names(name, candidates);
    let quoted: Vec<String> = near.iter().map(|name| format!("`{name}`")).collect();
    (!quoted.is_empty()).then(|| format!("did you mean {}?", quoted.join(" or ")))
}
