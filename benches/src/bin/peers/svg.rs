//! The chart: our times relative to the others', on a logarithmic scale.

use crate::report::{Line, Row, digits};
use std::fmt::Write;

const SYSTEMS: [(&str, &str); 8] = [
    ("interp", "#9ecae1"),
    ("jit", "#08519c"),
    ("c", "#636363"),
    ("luajit", "#41ab5d"),
    ("lua5.4", "#a1d99b"),
    ("node", "#d8b365"),
    ("erlang", "#cb181d"),
    ("tokio", "#756bb1"),
];
const LEFT: f64 = 150.0;
const WIDTH: f64 = 720.0;
const BAR: f64 = 9.0;
const TOP: f64 = 56.0;

/// A bar for each system and workload: its time divided by the best rival's, so that the rival is at 1.
pub fn chart(rows: &[Row]) -> String {
    let lines: Vec<Line> = rows.iter().flat_map(Row::lines).collect();
    let rows: Vec<_> = lines.iter().filter_map(|line| Some((line, line.rival?.1))).collect();
    let ratios = || {
        rows.iter().flat_map(|(row, rival)| {
            SYSTEMS.iter().filter_map(move |s| Some(row.figure(s.0)? / rival))
        })
    };
    let low = ratios().fold(1.0, f64::min).log10().floor();
    let high = ratios().fold(1.0, f64::max).log10().ceil().max(low + 1.0);
    let x = |ratio: f64| LEFT + (ratio.log10().clamp(low, high) - low) / (high - low) * WIDTH;

    let mut bars = String::new();
    let mut y = TOP;
    for (row, rival) in &rows {
        let first = y;
        for (system, colour) in SYSTEMS {
            let Some(figure) = row.figure(system) else { continue };
            let (from, to) = (x(1.0).min(x(figure / rival)), x(1.0).max(x(figure / rival)));
            let text = format!("{system}: {} {}", digits(figure), row.unit);
            _ = writeln!(
                bars,
                r#"<rect x="{from:.1}" y="{y:.1}" width="{:.1}" height="{BAR}" fill="{colour}"><title>{text}</title></rect>"#,
                (to - from).max(1.5),
            );
            y += BAR;
        }
        let middle = (first + y) / 2.0 + 4.0;
        _ = writeln!(
            bars,
            r#"<text x="{}" y="{middle:.1}" text-anchor="end">{}</text>"#,
            LEFT - 8.0,
            row.name
        );
        if let Some(target) = row.target {
            let at = x(target);
            _ = writeln!(
                bars,
                r#"<path d="M{at:.1} {first:.1}V{y:.1}" stroke="black" stroke-dasharray="2 2"><title>target {target}</title></path>"#,
            );
        }
        y += BAR;
    }

    let (width, height) = (LEFT + WIDTH + 30.0, y + 10.0);
    let mut svg = format!(
        concat!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="12">"#,
            "\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
            "<text x=\"{left}\" y=\"16\" font-weight=\"bold\">time relative to the best rival (logarithmic; shorter to the left is faster; dashed: target)</text>\n",
        ),
        width = width,
        height = height,
        left = 10,
    );
    let shown =
        SYSTEMS.iter().filter(|system| rows.iter().any(|(row, _)| row.figure(system.0).is_some()));
    for (i, (system, colour)) in shown.enumerate() {
        let at = LEFT + 90.0 * i as f64;
        _ = writeln!(
            svg,
            r#"<rect x="{at}" y="24" width="10" height="10" fill="{colour}"/><text x="{}" y="33">{system}</text>"#,
            at + 14.0
        );
    }
    for power in low as i32..=high as i32 {
        let at = x(10f64.powi(power));
        let stroke = if power == 0 { "#000" } else { "#ccc" };
        _ = writeln!(svg, r#"<path d="M{at:.1} {TOP}V{:.1}" stroke="{stroke}"/>"#, y);
        _ = writeln!(
            svg,
            r#"<text x="{at:.1}" y="{}" text-anchor="middle">{}</text>"#,
            TOP - 6.0,
            10f64.powi(power)
        );
    }
    svg + &bars + "</svg>\n"
}
