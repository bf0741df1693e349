# shellcheck shell=bash
# Small programs that jobs call: zstd, GNU tar, unshare, mount. Missing ones are unpacked, with their libraries.

wanted_tools=()

is_gnu_tar() { local tar; tar=$(find_program tar) && "$tar" --version 2>/dev/null | grep -q 'GNU tar'; }

want_tool() { # PACKAGE WHAT
    if can_use_apt; then
        [[ " ${wanted_tools[*]-} " == *" $1 "* ]] || wanted_tools+=("$1")
    else
        lacks "$2: install the package $1 with this system's package manager"
    fi
}

look_for_tools() {
    local base=$PATH
    if [ "$force" = yes ]; then
        PATH=${PATH#"$tools/programs:"}
    fi
    find_program zstd >/dev/null || want_tool zstd zstd
    is_gnu_tar || want_tool tar "GNU tar"
    find_program unshare >/dev/null || want_tool util-linux "unshare (util-linux)"
    find_program mount >/dev/null || want_tool mount mount
    # Not ours to provide, but better said now than by cargo in a minute.
    type -P cc >/dev/null || warn "no C linker (cc): cargo build will need one: apt-get install gcc libc6-dev"
    PATH=$base
}

plan_tools() {
    [ "${#wanted_tools[@]}" -gt 0 ] || return 0
    # A package may be installed and its program still be gone from PATH; the solver then plans nothing.
    local name
    for name in "${wanted_tools[@]}"; do
        [ -z "$(installed_version "$name")" ] ||
            die "$name is installed but its program is not on PATH: fix PATH, or apt-get install --reinstall $name"
    done
    plan_with_libraries tools "${wanted_tools[@]}"
}

set_up_tools() {
    local prefix=$work/tools program folder
    [ "${#wanted_tools[@]}" -gt 0 ] || return 0
    say "fetching ${wanted_tools[*]}"
    # Tools of an earlier set-up stay; the new ones are laid over a copy, and the copy is renamed into place.
    if [ -d "$tools" ] && [ "$force" = no ]; then
        cp -a "$tools" "$prefix"
    fi
    fetch_group tools "$work/debs-tools"
    unpack_group tools "$work/debs-tools" "$prefix"
    lend_libraries "$prefix"
    # Links to these programs only: nothing else that their packages bring gets onto PATH.
    mkdir -p "$prefix/programs"
    for program in zstd tar unshare mount; do
        for folder in usr/bin bin; do
            if [ -x "$prefix/$folder/$program" ]; then
                ln -sf "../$folder/$program" "$prefix/programs/$program"
                "$prefix/programs/$program" --version >/dev/null 2>&1 ||
                    die_of_libraries "$prefix/$folder/$program" "apt-get install $program"
            fi
        done
    done
    printf '{\n  "packages": [%s\n  ]\n}\n' "$(packages_json tools)" >"$prefix/manifest.json"
    swap_in "$prefix" "$tools"
    say "tools: $tools/programs ($(ls -m "$tools/programs"))"
}
