//! Errors of command lines in one line with a fix.

use clap::error::ErrorKind;

/// Words of clap and of the standard library that name no fix, and ours.
const REWORDED: [(&str, &str); 8] = [
    ("invalid digit found in string", "use a whole number from 0 on"),
    ("number would be zero for non-zero type", "use 1 or more"),
    ("number too large to fit in target type", "use a smaller number"),
    ("invalid float literal", "use a number, for example 1.5"),
    ("invalid socket address syntax", "use ADDRESS:PORT, for example 127.0.0.1:8080"),
    ("the following required arguments were not provided:", "required arguments are missing: add"),
    (" is not in ", " is out of range: use "),
    ("..=", " to "),
];

/// clap's error in one line with a fix, and the command whose help tells more.
pub fn line(error: &clap::Error, program: &clap::Command) -> String {
    let mut text = one_line(&error.render().to_string());
    for (theirs, ours) in REWORDED {
        text = text.replace(theirs, ours);
    }
    let fix = match error.kind() {
        ErrorKind::UnknownArgument if !text.contains("tip:") => ": leave it out",
        ErrorKind::ArgumentConflict => ": use one of them",
        _ => "",
    };
    let verb = std::env::args().nth(1).filter(|word| program.find_subcommand(word).is_some());
    let verb = verb.map(|v| format!(" {v}")).unwrap_or_default();
    format!("{text}{fix} (see `{}{verb} --help`)", program.get_name())
}

/// Message of clap without the usage: paragraphs joined with `;`, the lines of one with blanks.
fn one_line(text: &str) -> String {
    let before = text.lines().take_while(|l| !l.starts_with("Usage:") && !l.starts_with("For more information"));
    let mut line = String::new();
    let mut gap = "";
    for part in before.map(str::trim) {
        if part.is_empty() {
            gap = "; ";
        } else {
            line.push_str(if line.is_empty() { "" } else { gap });
            line.push_str(part);
            gap = " ";
        }
    }
    line
}
