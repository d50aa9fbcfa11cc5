//! Diagnostics as people read them: the line, the place underlined, what to do.

use super::diag::{Diag, Severity};
use super::source::Source;
use ariadne::{CharSet, Color, Config, IndexType, Label, Report, ReportKind};

/// The text of a diagnostic. `color`: for a terminal.
pub fn render(diag: &Diag, sources: &[Source], color: bool) -> String {
    let Some(source) = sources.get(diag.file) else {
        return format!("{}: {}\n", diag.severity.name(), diag.message);
    };
    let path = source.path.as_str();
    let length = source.text.len();
    let range = |span: super::source::Span| {
        let start = floor(&source.text, (span.start as usize).min(length));
        start..ceil(&source.text, (span.end as usize).clamp(start, length))
    };
    let (kind, tone) = match diag.severity {
        Severity::Error => (ReportKind::Custom("error", Color::Red), Color::Red),
        Severity::Warning => (ReportKind::Custom("warning", Color::Yellow), Color::Yellow),
    };
    let config = Config::default()
        .with_color(color)
        .with_index_type(IndexType::Byte)
        .with_char_set(CharSet::Unicode)
        .with_compact(false);
    let mut label = Label::new((path, range(diag.span))).with_color(tone);
    if !diag.label.is_empty() {
        label = label.with_message(&diag.label);
    }
    let mut report = Report::build(kind, (path, range(diag.span)))
        .with_config(config)
        .with_message(&diag.message)
        .with_label(label);
    if let Some((span, text)) = &diag.also {
        report
            .add_label(Label::new((path, range(*span))).with_message(text).with_color(Color::Blue));
    }
    if let Some(help) = &diag.help {
        report.set_help(help);
    }
    let mut out = Vec::new();
    let cache = (path, ariadne::Source::from(source.text.as_str()));
    match report.finish().write(cache, &mut out) {
        Ok(()) => {
            let text = String::from_utf8_lossy(&out);
            // The word in front has its colour even if colours are off.
            let text = if color { text } else { plain(&text).into() };
            text.lines().map(|line| format!("{}\n", line.trim_end())).collect()
        }
        Err(_) => format!("{}: {path}: {}\n", diag.severity.name(), diag.message),
    }
}

/// The text without escape sequences for colours.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((front, behind)) = rest.split_once("\u{1b}[") {
        out.push_str(front);
        rest = behind.split_once('m').map_or("", |(_, behind)| behind);
    }
    out + rest
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn ceil(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at += 1;
    }
    at
}
