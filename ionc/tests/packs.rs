//! The packages of an independent writer, with the results that they must have.

mod support;

use ion_runtime::ionpack::Package;
use ion_runtime::system::Config;
use serde_json::Value;
use std::path::PathBuf;
use std::time::{Duration, Instant};
use support::{finish, lines, matrix, root, run};

struct Pack {
    name: String,
    path: PathBuf,
    stdout: Vec<String>,
    any_order: bool,
    fails: bool,
    result: Option<String>,
    limit: Duration,
    least: Duration,
}

fn packs() -> (Vec<Pack>, Vec<String>) {
    let folder = root().join("runtime/tests/packs");
    let index = std::fs::read_to_string(folder.join("index.json")).expect("the index is there");
    let index: Value = serde_json::from_str(&index).expect("the index is JSON");
    let texts = |value: &Value| -> Vec<String> {
        let list = value.as_array().expect("a list");
        list.iter().map(|text| text.as_str().expect("a text").to_owned()).collect()
    };
    let pack = |entry: &Value| {
        let expect = &entry["expect"];
        let result = &expect["result"];
        Pack {
            name: entry["name"].as_str().expect("a name").to_owned(),
            path: folder.join(entry["file"].as_str().expect("a file")),
            stdout: texts(&expect["stdout"]),
            any_order: expect["order"] == "any",
            fails: expect["exit"] != 0,
            result: result["type"].as_str().map(|kind| {
                // As Debug shows it: atoms with a colon, strings in quotes.
                let text = result["text"].as_str().expect("a text");
                format!("{kind}: {text}")
            }),
            limit: Duration::from_secs(expect["max_seconds"].as_u64().unwrap_or(20)),
            least: Duration::from_millis(expect["min_ms"].as_u64().unwrap_or(0)),
        }
    };
    let packs = index["packs"].as_array().expect("a list").iter().map(pack).collect();
    (packs, texts(&index["forbidden_stderr"]))
}

impl Pack {
    /// Compares what a run showed with what is expected.
    fn check(
        &self,
        out: &str,
        err: &str,
        fails: bool,
        time: Duration,
        forbidden: &[String],
    ) -> Result<(), String> {
        let mut expected = self.stdout.clone();
        if self.any_order {
            expected.sort();
        }
        let printed = lines(out, self.any_order);
        if printed != expected {
            return Err(format!("printed {printed:#?}\ninstead of {expected:#?}\nstderr: {err}"));
        }
        if let Some(text) = forbidden.iter().find(|text| err.contains(text.as_str())) {
            return Err(format!("'{text}' on standard error: {err}"));
        }
        if fails != self.fails {
            return Err(format!("failed: {fails}, expected: {}; stderr: {err}", self.fails));
        }
        if time < self.least {
            return Err(format!("took {time:?}, less than {:?}", self.least));
        }
        Ok(())
    }
}

#[test]
fn every_pack_in_every_setting() {
    let mut errors = Vec::new();
    let (packs, forbidden) = packs();
    assert!(packs.len() >= 12);
    for pack in packs {
        let bytes = std::fs::read(&pack.path).expect("the pack is there");
        let package = Package::from_bytes(&bytes).expect("the pack is readable");
        for setting in matrix() {
            let checked = run(&package, setting.config(&Config::default()), &[], pack.limit)
                .and_then(|ran| {
                    let fails = ran.end.status() != 0;
                    pack.check(&ran.out, &ran.err, fails, ran.time, &forbidden)?;
                    match &pack.result {
                        Some(result) if *result != ran.end_text() => {
                            Err(format!("gave {}, expected {result}", ran.end_text()))
                        }
                        _ => Ok(()),
                    }
                });
            errors.extend(checked.err().map(|error| format!("{} ({setting}): {error}", pack.name)));
        }
    }
    finish(&errors);
}

#[test]
fn every_pack_through_the_command() {
    let mut errors = Vec::new();
    let (packs, forbidden) = packs();
    for mut pack in packs {
        let started = Instant::now();
        let output = assert_cmd::Command::cargo_bin("ionc")
            .expect("the command is built")
            .args(["run", "--print-result"])
            .arg(&pack.path)
            .timeout(pack.limit)
            .output()
            .expect("the command runs");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let (mut out, err) = (text(&output.stdout), text(&output.stderr));
        match pack.result.take() {
            Some(result) => pack.stdout.push(result),
            // Unknown, but still the last line.
            None => {
                let mut shown: Vec<&str> = out.lines().collect();
                shown.pop();
                out = shown.join("\n");
            }
        }
        let fails = !output.status.success();
        let checked = pack.check(&out, &err, fails, started.elapsed(), &forbidden);
        errors.extend(checked.err().map(|error| format!("{}: {error}", pack.name)));
    }
    finish(&errors);
}
