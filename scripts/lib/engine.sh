# shellcheck shell=bash
# The Docker engine: the machine's own programs if new enough, else packages unpacked in a prefix.
# Either way the programs lie at the same places below the prefix, so that nobody needs to ask which it was.

floor_dockerd=28     # brings BuildKit 0.20
floor_buildx=0.21
floor_containerd=1.7

engine_programs=(usr/sbin/dockerd usr/bin/docker usr/bin/containerd usr/bin/containerd-shim-runc-v2 usr/bin/ctr
    usr/bin/runc usr/bin/docker-init usr/libexec/docker/cli-plugins/docker-buildx)

wanted_engine=()
engine_from=

# program_version PATH: asked with empty client folders: no record is left in the user's
program_version() {
    local flag=--version
    case $1 in
    *docker-buildx) flag=version ;;
    *containerd-shim-runc-v2) flag=-v ;;
    esac
    env DOCKER_CONFIG="$work/none" BUILDX_CONFIG="$work/none" "$1" "$flag" 2>&1 | first_version
}

# host_program RELATIVE: where the machine has the program that belongs at this place of the prefix
host_program() {
    local folder
    case $1 in
    *docker-buildx)
        for folder in /usr/local/lib /usr/local/libexec /usr/lib /usr/libexec; do
            if [ -x "$folder/docker/cli-plugins/docker-buildx" ]; then
                printf '%s\n' "$folder/docker/cli-plugins/docker-buildx"
                return
            fi
        done
        find_program docker-buildx
        ;;
    *docker-init) find_program docker-init || find_program tini-static || find_program tini ;;
    *) find_program "$(basename "$1")" ;;
    esac
}

# host_engine_ok: are the machine's own programs all there and new enough?
host_engine_ok() {
    local program path version name
    [ "${HANDOFF_HOST_ENGINE:-}" != no ] || return 1
    for program in "${engine_programs[@]}"; do
        path=$(host_program "$program") || { [ "${program##*/}" = docker-init ] && continue || return 1; }
        name=${program##*/}
        version=$(program_version "$path") || return 1
        case $name in
        dockerd) version_ge "$version" $floor_dockerd || return 1 ;;
        docker-buildx) version_ge "$version" $floor_buildx || return 1 ;;
        containerd) version_ge "$version" $floor_containerd || return 1 ;;
        esac
    done
}

# engine_whole: is there a prefix that an earlier set-up finished? The manifest is part of what is renamed into
# place, so it is there only with the rest.
engine_whole() {
    local program
    [ -f "$engine/manifest.json" ] || return 1
    for program in "${engine_programs[@]}"; do
        [ -x "$engine/$program" ] || { [ "${program##*/}" = docker-init ] && [ ! -L "$engine/$program" ]; } || return 1
    done
    if grep -q '"source": "host"' "$engine/manifest.json"; then
        # The machine's engine may have been changed since.
        [ "${HANDOFF_HOST_ENGINE:-}" != no ] && host_engine_ok && [ "$(engine_versions "$engine")" = "$(recorded_versions)" ]
    fi
}

look_for_engine() {
    if [ "$force" = no ] && engine_whole; then
        engine_from=there
    elif host_engine_ok; then
        engine_from=host
    elif can_use_apt; then
        engine_from=packages
        wanted_engine=(docker.io docker-buildx containerd runc)
    elif [ "$os_name" = Darwin ]; then
        lacks "a Docker engine (dockerd >= $floor_dockerd, containerd >= $floor_containerd, runc, buildx >= $floor_buildx): Handoff needs Linux; run it in a Debian 12 or Ubuntu 24.04 machine (limactl start template://debian-12)"
    else
        lacks "a Docker engine: dockerd >= $floor_dockerd, containerd >= $floor_containerd, runc, docker, docker-buildx >= $floor_buildx on PATH: install docker-ce docker-ce-cli containerd.io docker-buildx-plugin as https://docs.docker.com/engine/install/ says for $os_name"
    fi
}

plan_engine() {
    local docker stanza name
    [ "${#wanted_engine[@]}" -gt 0 ] || return 0
    docker=$(choose docker.io $floor_dockerd) ||
        die "no docker.io >= $floor_dockerd at $mirror_used (there: $(versions_of docker.io)): $(own_engine_hint)"
    plan_line engine docker.io "$docker"
    # Some releases cut the client and the init program off into packages of their own.
    for name in docker-cli tini-static; do
        case " ${docker##*$'\t'}," in
        *" $name,"* | *" $name "* | *" ${name%-static},"* | *" ${name%-static} "*)
            stanza=$(choose "$name" 0) && plan_line engine "$name" "$stanza"
            ;;
        esac
    done
    stanza=$(choose docker-buildx $floor_buildx) ||
        die "no docker-buildx >= $floor_buildx at $mirror_used (there: $(versions_of docker-buildx)): $(own_engine_hint)"
    plan_line engine docker-buildx "$stanza"
    stanza=$(choose containerd $floor_containerd) ||
        die "no containerd >= $floor_containerd at $mirror_used (there: $(versions_of containerd)): $(own_engine_hint)"
    plan_line engine containerd "$stanza"
    stanza=$(choose runc 0) || die "no runc at $mirror_used"
    plan_line engine runc "$stanza"
    plan_engine_libraries
}

own_engine_hint() {
    printf 'install a newer engine yourself (https://docs.docker.com/engine/install/); set-up then uses it as it is'
}

# Libraries that the engine's programs want and this machine lacks come from the machine's own release, which
# fits its C library.
plan_engine_libraries() {
    local line name absent=()
    [ -r /var/lib/dpkg/status ] || return 0
    for line in "${plan[@]}"; do
        name=$(cut -f2 <<<"$line")
        while read -r name _; do
            if [ -z "$(installed_version "$name")" ] && [[ " ${absent[*]-} " != *" $name "* ]]; then
                absent+=("$name")
            fi
        done < <(libraries "$(stanzas "$name" | awk -F'\t' -v v="$(cut -f3 <<<"$line")" '$1 == v { print $5; exit }')")
    done
    for name in "${absent[@]}"; do
        [ -n "$(stanzas "$name")" ] && plan_with_libraries engine "$name"
    done
    # The same library may have been asked for twice.
    mapfile -t plan < <(printf '%s\n' "${plan[@]}" | awk '!seen[$0]++')
}

set_up_engine() {
    local prefix=$work/engine program path
    case $engine_from in
    there) return 0 ;;
    host)
        for program in "${engine_programs[@]}"; do
            path=$(host_program "$program") || continue
            mkdir -p "$prefix/$(dirname "$program")"
            ln -s "$path" "$prefix/$program"
        done
        write_manifest "$prefix" host
        swap_in "$prefix" "$engine"
        say "engine: the machine's own, $(versions_in_words "$engine")"
        return 0
        ;;
    esac
    say "fetching the engine"
    fetch_group engine "$work/debs"
    unpack_group engine "$work/debs" "$prefix"
    lend_libraries "$prefix"
    for program in "${engine_programs[@]}"; do
        put_in_place "$prefix" "$program"
        [ -x "$prefix/$program" ] || die "the packages have no $program: report it with the versions above"
        [ -n "$(program_version "$prefix/$program")" ] || die_of_libraries "$prefix/$program"
    done
    write_manifest "$prefix" "$(engine_source)"
    swap_in "$prefix" "$engine"
    say "engine: $engine ($(du -sm "$engine" | cut -f1) MB), $(versions_in_words "$engine")"
}

# put_in_place PREFIX PROGRAM: distributions put some programs elsewhere (dockerd in usr/bin): a link leads there
put_in_place() {
    local found
    [ ! -x "$1/$2" ] || return 0
    found=$(find "$1/usr" -name "${2##*/}" -type f -perm /111 | head -n 1)
    [ -n "$found" ] || return 0
    mkdir -p "$1/$(dirname "$2")"
    ln -s "$(realpath --relative-to="$1/$(dirname "$2")" "$found")" "$1/$2"
}

engine_source() {
    if [ -n "${HANDOFF_APT_SOURCES:-}" ]; then
        printf 'HANDOFF_APT_SOURCES'
    elif [ "$os_id" = debian ]; then
        printf '%s' $debian_engine_suite
    else
        printf '%s' "$os_codename"
    fi
}

# die_of_libraries PROGRAM [MEND]
die_of_libraries() {
    die "$(basename "$1") does not run on this machine: $(ldd "$1" 2>&1 | grep 'not found' | head -n 1 || true) $("$1" --version 2>&1 | head -n 1 || true): ${2:-$(own_engine_hint)}"
}

# lend_libraries PREFIX: programs that miss a library of the machine get a wrapper that shows them the unpacked
# ones. With nothing missing, nothing is wrapped.
lend_libraries() {
    local prefix=$1 program folders
    folders=$(library_path "$prefix")
    [ -n "$folders" ] || return 0
    find "$prefix" -type f -perm /111 ! -name '*.so*' -print0 | while IFS= read -r -d '' program; do
        { ldd "$program" 2>/dev/null || true; } | grep -q 'not found' || continue
        wrap "$program" "$prefix" "$folders"
    done
}

# wrap PROGRAM PREFIX FOLDERS: relative to the wrapper's own place, since the prefix is renamed afterwards
wrap() {
    local depth
    depth=$(realpath --relative-to="$(dirname "$1")" "$2")
    mv "$1" "$1.real"
    cat >"$1" <<WRAPPER
#!/bin/sh
here=\$(dirname "\$(readlink -f "\$0")")
prefix=\$here/$depth
LD_LIBRARY_PATH=${3//"$2"/\$prefix}\${LD_LIBRARY_PATH:+:\$LD_LIBRARY_PATH} exec "\$here/$(basename "$1").real" "\$@"
WRAPPER
    chmod 755 "$1"
}

# engine_versions PREFIX: the programs as the lines of a JSON object
engine_versions() {
    local program version comma=''
    for program in "${engine_programs[@]}"; do
        [ -x "$1/$program" ] || continue
        version=$(program_version "$1/$program")
        printf '%s\n    %s: %s' "$comma" "$(json_string "${program##*/}")" "$(json_string "$version")"
        comma=,
    done
}

versions_in_words() {
    engine_versions "$1" | sed -nE 's/^ *"([^"]+)": "([^"]*)",?$/\1 \2/p' | paste -sd, - | sed 's/,/, /g'
}

recorded_versions() { sed -n '/"programs": {/,/^  }/p' "$engine/manifest.json" | sed '1d;$d' | { printf '\n'; cat; }; }

write_manifest() { # PREFIX SOURCE
    local versions
    versions=$(engine_versions "$1")
    {
        printf '{\n  "format": 1,\n  "source": %s,\n' "$(json_string "$2")"
        printf '  "os": %s,\n' "$(json_string "$os_name")"
        printf '  "unpacked_at": "%s",\n' "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
        printf '  "programs": {%s\n  },\n' "$versions"
        if [ "$2" = host ]; then
            printf '  "packages": []\n}\n'
        else
            printf '  "packages": [%s\n  ]\n}\n' "$(packages_json engine)"
        fi
    } >"$1/manifest.json"
}

say_what_needs_root() {
    # Said once, when something was set up, and not at every make.
    [ "$(id -u)" -ne 0 ] && [ "${#plan[@]}" -gt 0 ] || return 0
    if type -P sudo >/dev/null; then
        say "engines need root to run: make bench and make test call sudo for that part; by hand:"
        say "  sudo env HANDOFF_HOME=$HANDOFF_HOME PATH=\"\$PATH\" target/release/handoff run --sizes 64MiB --strategies all --rounds 2 --out results/try"
    else
        say "engines need root to run and there is no sudo here: run make bench and make test as root (su -c 'make bench')"
    fi
}
