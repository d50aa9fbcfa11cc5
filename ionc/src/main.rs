//! The command `ionc`: arguments, then a match.

use clap::{Parser, Subcommand};
use ionc::cli::{
    self, aot, asm, build, check, dis, explore, fmt, info, natives, new, repl, run, samples, test,
    verify,
};
use ionc::failure::exit_code;
use std::process::ExitCode;

const AFTER: &str = "\
Examples:
  ionc run app.ion
  ionc new hello && ionc run hello
  ionc samples actors && ionc run actors.ionpack
  ionc dis actors.ionpack Worker

Exit status: 0 success; 1 bad input or a program that failed; 2 wrong usage.";

/// Run, inspect and make IonPack packages: bytecode programs of many small processes
#[derive(Parser, Debug)]
#[command(name = "ionc", version, after_help = AFTER)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    Run(run::Args),
    Check(check::Args),
    Build(build::Args),
    New(new::Args),
    Repl(repl::Args),
    Test(test::Args),
    Fmt(fmt::Args),
    Info(info::Args),
    Dis(dis::Args),
    Asm(asm::Args),
    Aot(aot::Args),
    Verify(verify::Args),
    Explore(explore::Args),
    Samples(samples::Args),
    Natives(natives::Args),
}

fn main() -> ExitCode {
    if !aot::CARRIES_STUB
        && let Some(status) = ionc::standalone::main()
    {
        return ExitCode::from(status);
    }
    let result = cli::parse::<Cli>().and_then(|cli| match cli.command {
        Command::Run(args) => run::run(&args),
        Command::Check(args) => check::run(&args),
        Command::Build(args) => build::run(&args),
        Command::New(args) => new::run(&args),
        Command::Repl(args) => repl::run(&args),
        Command::Test(args) => test::run(&args),
        Command::Fmt(args) => fmt::run(&args),
        Command::Info(args) => info::run(&args),
        Command::Dis(args) => dis::run(&args),
        Command::Asm(args) => asm::run(&args),
        Command::Aot(args) => aot::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Explore(args) => explore::run(&args),
        Command::Samples(args) => samples::run(&args),
        Command::Natives(args) => natives::run(&args),
    });
    exit_code("ionc", result)
}
