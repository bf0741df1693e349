# shellcheck shell=bash
# Words, versions and JSON: what every other part of set-up uses.

say() { printf '%s\n' "$*"; }
warn() { printf 'setup: %s\n' "$*" >&2; }
die() {
    warn "$*"
    exit 1
}

# version_ge A B: is A at least B? (sort -V, so that it works where dpkg is missing)
version_ge() { printf '%s\n%s\n' "$2" "$1" | sort -CV; }

# first_version: the first thing on stdin that looks like 1.2 or 1.2.3
first_version() {
    local text
    text=$(cat)
    [[ $text =~ [0-9]+\.[0-9]+(\.[0-9]+)? ]] && printf '%s\n' "${BASH_REMATCH[0]}"
}

# megabytes BYTES: bytes as MB (10^6) with one decimal
megabytes() { awk -v b="$1" 'BEGIN { printf "%.1f MB", b / 1e6 }'; }

# json_string TEXT: TEXT as a JSON string
json_string() {
    local text=${1//\\/\\\\}
    text=${text//\"/\\\"}
    text=${text//$'\n'/ }
    printf '"%s"' "$text"
}

# find_program NAME: its path, also where a plain user's PATH does not look
find_program() {
    PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" type -P "$1"
}

# swap_in NEW TARGET: NEW becomes TARGET in two renames, so that TARGET is whole or absent, never half.
swap_in() {
    local new=$1 target=$2
    chmod 755 "$new"
    if [ -e "$target" ] || [ -L "$target" ]; then
        mv -T "$target" "$work/old.$(basename "$target")"
    fi
    mv -T "$new" "$target"
    rm -rf "$work/old.$(basename "$target")"
}

# What cannot be had on this machine, each with the command that provides it.
missing=()
lacks() { missing+=("$1"); }

refuse_what_cannot_be_had() {
    [ "${#missing[@]}" -gt 0 ] || return 0
    warn "this machine ($os_name) lacks what set-up cannot provide here:"
    printf '  - %s\n' "${missing[@]}" >&2
    exit 1
}
