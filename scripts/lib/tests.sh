# shellcheck shell=bash
# What scripts/check and scripts/test read from the output of test programs.

# How cargo's test programs and Node's say what passed and what failed.
# shellcheck disable=SC2034 # the scripts that source this use them
cargo_passed='^test result: .* ([0-9]+) passed;.*' cargo_failed='^test result: .* ([0-9]+) failed;.*'

# count LOG PATTERN: adds up the numbers that PATTERN's group finds in LOG
count() { sed -nE "s/$2/\1/p" "$1" | awk '{ n += $1 } END { print n + 0 }'; }
