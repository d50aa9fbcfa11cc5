//! From the spelling of literals to their values.

use std::borrow::Cow;

/// The value of a number as written, without the `i` of an imaginary one.
pub fn number(text: &str) -> Option<f64> {
    let digits: Cow<'_, str> =
        if text.contains('_') { text.replace('_', "").into() } else { text.into() };
    if text.ends_with('_') || text.contains("__") {
        return None;
    }
    let lower = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let radix = match lower.as_str() {
        "0x" => 16,
        "0b" => 2,
        "0o" => 8,
        _ => return digits.parse().ok(),
    };
    let digits = &digits[2..];
    if digits.is_empty() {
        return None;
    }
    let mut value = 0.0;
    for digit in digits.chars() {
        value = value * f64::from(radix) + f64::from(digit.to_digit(radix)?);
    }
    Some(value)
}

/// The text that `raw`, without its quotes, means; or the offset and text of a wrong escape.
pub fn unescape(raw: &str) -> Result<Cow<'_, str>, (usize, String)> {
    if !raw.contains('\\') {
        return Ok(Cow::Borrowed(raw));
    }
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if c != '\\' {
            out.push(c);
            continue;
        }
        let Some((_, escape)) = chars.next() else {
            return Err((at, "\\".to_owned()));
        };
        match escape {
            'n' => out.push('\n'),
            't' => out.push('\t'),
            'r' => out.push('\r'),
            '0' => out.push('\0'),
            'e' => out.push('\u{1b}'),
            '\\' | '\'' | '"' | '`' | '$' | '{' | '}' => out.push(escape),
            // A line break that does not count.
            '\n' => {}
            'u' => {
                let rest = &raw[at + 2..];
                let (digits, length) = match rest.strip_prefix('{') {
                    Some(inner) => match inner.find('}') {
                        Some(end) => (&inner[..end], end + 2),
                        None => return Err((at, "\\u{".to_owned())),
                    },
                    None => (rest.get(..4).unwrap_or_default(), 4),
                };
                let code = u32::from_str_radix(digits, 16).ok();
                let valid = !digits.is_empty() && digits.chars().all(|c| c.is_ascii_hexdigit());
                match code.filter(|_| valid).and_then(char::from_u32) {
                    Some(c) => out.push(c),
                    None => return Err((at, format!("\\u{}", rest.get(..length).unwrap_or(rest)))),
                }
                while chars.peek().is_some_and(|(next, _)| *next < at + 2 + length) {
                    chars.next();
                }
            }
            _ => return Err((at, format!("\\{escape}"))),
        }
    }
    Ok(Cow::Owned(out))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number("1_000"), Some(1000.0));
        assert_eq!(number("0xff"), Some(255.0));
        assert_eq!(number("0b101"), Some(5.0));
        assert_eq!(number("1.5e3"), Some(1500.0));
        for wrong in ["0x", "0b2", "1__0", "1_", "12abc"] {
            assert_eq!(number(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn escapes() {
        assert_eq!(unescape("a\\n\\u{e9}\\u00e9").unwrap(), "a\néé");
        assert_eq!(unescape("plain").unwrap(), "plain");
        assert_eq!(unescape("a\\q").unwrap_err(), (1, "\\q".to_owned()));
        assert!(unescape("\\u{110000}").is_err());
        assert!(unescape("\\u12").is_err());
    }
}
