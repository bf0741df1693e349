# shellcheck shell=bash
# For scripts that do by hand what the harness does: a service whose variables a job has, and engines as the harness
# starts them. Needs root and `make build`; sets $handoff, $work (removed at the end) and $serve_pid.

[ "$(id -u)" -eq 0 ] || { echo "needs root: scripts/with-env --root $0" >&2; exit 1; }
# shellcheck disable=SC2154  # who sources this has set it
handoff=$here/../target/release/handoff
[ -x "$handoff" ] || { echo "no $handoff: run \`make build\`" >&2; exit 1; }

work=$(mktemp -d /var/tmp/by-hand.XXXX)
serve_pid=
trap '[ -z "$serve_pid" ] || kill "$serve_pid"; wait; rm -rf "$work"' EXIT
"$handoff" serve --store "$work/store" >"$work/env" 2>"$work/serve.log" &
serve_pid=$!
until grep -q '^NODE_OPTIONS=' "$work/env"; do sleep 0.05; done
set -a
# shellcheck source=/dev/null
. "$work/env"
set +a

seconds() { awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b - a) / 1e9 }'; }

# An engine as the harness starts it, with its images in containerd's store or, so asked, in overlay2; runs the commands
# of FILE in its namespaces.
in_engine() { # NAME FILE [containerd|overlay2]
    local snapshotter=true
    [ "${3:-containerd}" = containerd ] || snapshotter=false
    # shellcheck disable=SC2016  # expanded by the inner shell
    unshare --mount --pid --fork --kill-child --mount-proc -- bash -euo pipefail -c '
        root=$1/$2 prefix=$HANDOFF_ENGINE_PREFIX
        mount -t tmpfs tmpfs /run
        mkdir -p "$root"/{docker/cli-plugins,buildx,tmp}
        export PATH=$prefix/usr/sbin:$prefix/usr/bin:$PATH DOCKER_CONFIG=$root/docker BUILDX_CONFIG=$root/buildx TMPDIR=$root/tmp
        export DOCKER_HOST=unix://$root/docker.sock
        plugin=$prefix/usr/libexec/docker/cli-plugins/docker-buildx
        [ -e "$plugin" ] || plugin=/usr/libexec/docker/cli-plugins/docker-buildx
        ln -s "$plugin" "$root/docker/cli-plugins/docker-buildx"
        printf "version = 2\nroot = \"%s/c\"\nstate = \"%s/s\"\ndisabled_plugins = [\"io.containerd.grpc.v1.cri\", \"io.containerd.cri.v1.images\", \"io.containerd.cri.v1.runtime\", \"io.containerd.nri.v1.nri\"]\n[grpc]\naddress = \"%s/c.sock\"\n[ttrpc]\naddress = \"%s/c.ttrpc\"\n[plugins.\"io.containerd.internal.v1.opt\"]\npath = \"%s/opt\"\n" "$root" "$root" "$root" "$root" "$root" >"$root/c.toml"
        echo "{\"features\":{\"containerd-snapshotter\":$4}}" >"$root/daemon.json"
        containerd --config "$root/c.toml" >"$root/c.log" 2>&1 &
        until [ -S "$root/c.sock" ]; do sleep 0.01; done
        dockerd --containerd "$root/c.sock" --data-root "$root/data" --exec-root "$root/exec" --pidfile "$root/pid" \
            --host "$DOCKER_HOST" --config-file "$root/daemon.json" --cgroup-parent "/handoff-by-hand" \
            --bridge=none --iptables=false --ip6tables=false --exec-opt=native.cgroupdriver=cgroupfs >"$root/d.log" 2>&1 &
        until docker version >/dev/null 2>&1; do sleep 0.02; done
        export RUNNER_TEMP=$root/tmp GITHUB_WORKSPACE=$root
        . "$3"
    ' -- "$work" "$1" "$2" "$snapshotter"
    rm -rf "${work:?}/$1"
    find /sys/fs/cgroup -depth -type d -path '*/handoff-by-hand*' -exec rmdir {} + 2>/dev/null || true
}

