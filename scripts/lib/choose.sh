# shellcheck shell=bash
# Choosing packages from the signed index, fetching them, checking them, unpacking them.
#
# A plan is a list of lines: group TAB name TAB version TAB size TAB sha256 TAB file name in the archive.

plan=()

# stanzas NAME: version, size, sha256, file name, Depends+Recommends of every version, tab separated
stanzas() {
    private_apt apt-cache show "$1" 2>/dev/null | awk -v OFS='\t' '
        function flush() { if (v != "" && f != "") print v, s, h, f, d; v = s = h = f = d = "" }
        /^$/ { flush() }
        /^Version: / { v = $2 } /^Size: / { s = $2 } /^SHA256: / { h = $2 } /^Filename: / { f = $2 }
        /^(Pre-Depends|Depends|Recommends): / { sub(/^[^:]*: /, ""); d = d (d == "" ? "" : ", ") $0 }
        END { flush() }'
}

installed_version() { dpkg-query -W -f '${db:Status-Status} ${Version}\n' "$1" 2>/dev/null | awk '$1 == "installed" { print $2; exit }'; }

# libraries DEPENDS: one line per library dependency: name and the least version (may be empty)
libraries() {
    tr ',' '\n' <<<"$1" | sed -nE 's/^ *(lib[a-z0-9.+-]+)(:any)? *(\(>= *([^) ]+)\))?.*/\1 \4/p'
}

# fits DEPENDS: are this machine's libraries new enough? Those it does not have come from its own release.
fits() {
    local name least have
    while read -r name least; do
        have=$(installed_version "$name")
        if [ -n "$have" ] && [ -n "$least" ] && ! dpkg --compare-versions "$have" ge "$least"; then
            return 1
        fi
    done < <(libraries "$1")
}

# choose NAME FLOOR: prints the stanza of the newest version that is at least FLOOR and fits this machine;
# if none fits, the newest at least FLOOR (running it will tell). Fails if there is none at all.
choose() {
    local name=$1 floor=$2 line version best='' best_version='' any='' any_version=''
    while IFS= read -r line; do
        version=${line%%$'\t'*}
        dpkg --compare-versions "${version#*:}" ge "$floor" || continue
        if [ -z "$any" ] || dpkg --compare-versions "$version" gt "$any_version"; then
            any=$line any_version=$version
        fi
        if { [ -z "$best" ] || dpkg --compare-versions "$version" gt "$best_version"; } && fits "${line##*$'\t'}"; then
            best=$line best_version=$version
        fi
    done < <(stanzas "$name")
    [ -n "$any" ] || return 1
    printf '%s\n' "${best:-$any}"
}

# versions_of NAME: for messages
versions_of() { stanzas "$1" | cut -f1 | paste -sd' ' -; }

plan_line() { # GROUP NAME STANZA
    local version size sha file _
    IFS=$'\t' read -r version size sha file _ <<<"$3"
    plan+=("$1"$'\t'"$2"$'\t'"$version"$'\t'"$size"$'\t'"$sha"$'\t'"$file")
}

# plan_with_libraries GROUP NAME...: these packages of this machine's own release, and those of their
# dependencies that are not installed here. apt's solver says which, in a simulation on a read-only view.
plan_with_libraries() {
    local group=$1 name version stanza simulated
    shift
    simulated=$(private_apt apt-get -o Dir::State::status=/var/lib/dpkg/status -o Debug::NoLocking=1 -q -s \
        install --no-install-recommends "$@" 2>"$work/simulate.log") ||
        die "cannot plan $*: $(grep '^E:' "$work/simulate.log" | head -n 1)"
    while read -r name version; do
        stanza=$(stanzas "$name" | awk -F'\t' -v v="$version" '$1 == v { print; exit }')
        [ -n "$stanza" ] || die "the index has no $name $version"
        plan_line "$group" "$name" "$stanza"
    done < <(sed -nE 's/^Inst ([^ ]+) (\[[^]]*\] )?\(([^ ]+) .*/\1 \3/p' <<<"$simulated")
}

planned_bytes() { printf '%s\n' "${plan[@]}" | awk -F'\t' -v g="$1" '$1 == g || g == "" { b += $4 } END { print b + 0 }'; }

# fetch_group GROUP FOLDER: downloads the group's packages. apt checks each against the signed index; we check
# again what lies on the disk, since that is what is unpacked and recorded.
fetch_group() {
    local group=$1 folder=$2 line name version sha _ wanted=() found
    mkdir -p "$folder"
    for line in "${plan[@]}"; do
        IFS=$'\t' read -r _ name version _ <<<"$line"
        [ "${line%%$'\t'*}" = "$group" ] && wanted+=("$name=$version")
    done
    (cd "$folder" && private_apt apt-get -q download "${wanted[@]}") >"$work/fetch.log" 2>&1 || {
        grep -E '^(Err|E:|W:| )' "$work/fetch.log" >&2 || cat "$work/fetch.log" >&2
        die "a package could not be fetched or is not what the signed index says; nothing was changed"
    }
    for line in "${plan[@]}"; do
        IFS=$'\t' read -r _ name version _ sha _ <<<"$line"
        [ "${line%%$'\t'*}" = "$group" ] || continue
        found=$(find "$folder" -name "${name}_*.deb" -type f)
        check_digest "$found" "$sha"
    done
}

# check_digest FILE SHA256
check_digest() {
    [ -f "$1" ] || die "a package is missing after the download: ${1:-no file}"
    local is
    is=$(sha256sum "$1")
    is=${is%% *}
    [ "$is" = "$2" ] || die "$(basename "$1") has sha256 $is, the signed index says $2: refused"
}

# unpack_group GROUP FOLDER PREFIX
unpack_group() {
    local deb
    mkdir -p "$3"
    for deb in "$2"/*.deb; do
        dpkg-deb -x "$deb" "$3" || die "cannot unpack $deb"
    done
}

# library_path PREFIX: folders of shared libraries that came in packages, joined by colons
library_path() {
    find "$1"/lib "$1"/usr/lib -name 'lib*.so.*' -printf '%h\n' 2>/dev/null | sort -u | paste -sd: - || true
}

# packages_json GROUP: the group's packages as JSON array items
packages_json() {
    local line _ name version size sha file comma=''
    for line in "${plan[@]}"; do
        IFS=$'\t' read -r _ name version size sha file <<<"$line"
        [ "${line%%$'\t'*}" = "$1" ] || continue
        printf '%s\n    {"name": %s, "version": %s, "sha256": %s, "bytes": %s, "filename": %s}' "$comma" \
            "$(json_string "$name")" "$(json_string "$version")" "$(json_string "$sha")" "$size" "$(json_string "$file")"
        comma=,
    done
}

announce() {
    local line group name version size _
    if [ "${#plan[@]}" -gt 0 ]; then
        say "Debian packages from $mirror_used, unpacked below $HANDOFF_HOME, not installed:"
        for line in "${plan[@]}"; do
            IFS=$'\t' read -r group name version size _ <<<"$line"
            [ "$group" = pip ] && continue
            printf '  %-7s %-28s %-32s %10s\n' "$group" "$name" "$version" "$(megabytes "$size")"
        done
        if [ "${#wanted_pip[@]}" -gt 0 ]; then
            printf '  %-7s %-61s %10s\n' pip "${wanted_pip[*]} and their libraries, only to fetch Node" "$(megabytes "$(planned_bytes pip)")"
        fi
        say "  to fetch: $(megabytes "$(planned_bytes "")")"
    fi
    [ "$node_from" = wheel ] && say "Node.js $node_wheel_version as a wheel through pip, into $node_home: about 61 MB"
    [ "$clients_in_step" = no ] && say "npm ci in $clients: $(grep -c '"integrity"' "$clients/package-lock.json") packages, about $clients_megabytes MB unpacked"
    if [ "${#plan[@]}" -eq 0 ] && [ "$node_from" != wheel ] && [ "$clients_in_step" = yes ]; then
        say "nothing to fetch: all that Handoff needs is there ($HANDOFF_HOME)"
    fi
    return 0
}
