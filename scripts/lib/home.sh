# shellcheck shell=bash
# Where everything lives, and as whom set-up runs.

# Under sudo the folder of the user who called it is taken, so that `make setup` before and `sudo handoff`
# after it mean the same engine. Only if that is sane: the user exists, owns the home folder, and owns this
# clone too (npm must be able to write into it). Else root's own.
invoking_user_home() {
    local uid=${SUDO_UID:-0} entry home
    [ "$(id -u)" -eq 0 ] && [ "$uid" -ne 0 ] || return 1
    entry=$(getent passwd "$uid") || return 1
    home=$(cut -d: -f6 <<<"$entry")
    [ -d "$home" ] && [ "$(stat -c %u "$home")" = "$uid" ] && [ "$(stat -c %u "$repo")" = "$uid" ] || return 1
    printf '%s\n' "$home"
}

choose_home() {
    local home
    drop=no
    if [ -n "${HANDOFF_HOME:-}" ]; then
        case $HANDOFF_HOME in
        /*) ;;
        *) die "HANDOFF_HOME must be an absolute path, not \"$HANDOFF_HOME\"" ;;
        esac
    elif home=$(invoking_user_home); then
        HANDOFF_HOME=$home/.cache/handoff
        drop=yes
    else
        [ -n "${XDG_CACHE_HOME:-}" ] || [ -n "${HOME:-}" ] ||
            die "neither HOME nor XDG_CACHE_HOME is set: set HANDOFF_HOME to a folder for Handoff's programs"
        HANDOFF_HOME=${XDG_CACHE_HOME:-$HOME/.cache}/handoff
    fi
    export HANDOFF_HOME
    engine=$HANDOFF_HOME/engine
    tools=$HANDOFF_HOME/tools
    node_home=$HANDOFF_HOME/node
    clients=$repo/strategies/clients
    os_name=$(uname -s)
    os_id='' os_version='' os_codename=''
    if [ -r /etc/os-release ]; then
        # shellcheck source=/dev/null
        os_name=$(. /etc/os-release && printf '%s' "${PRETTY_NAME:-$ID}")
        # shellcheck source=/dev/null
        os_id=$(. /etc/os-release && printf '%s' "${ID:-}")
        # shellcheck source=/dev/null
        os_version=$(. /etc/os-release && printf '%s' "${VERSION_ID:-}")
        # shellcheck source=/dev/null
        os_codename=$(. /etc/os-release && printf '%s' "${VERSION_CODENAME:-}")
    fi
    # What an earlier set-up unpacked counts as there.
    PATH=$tools/programs:$PATH
}

# Set-up itself needs no root: called through sudo, it goes on as the user whose folder it writes to.
drop_to_invoking_user() {
    [ "$drop" = yes ] || return 0
    local user
    user=$(getent passwd "$SUDO_UID" | cut -d: -f1)
    exec runuser -u "$user" -- env HOME="$(dirname "$(dirname "$HANDOFF_HOME")")" \
        HANDOFF_HOME="$HANDOFF_HOME" PATH="$PATH" "$here/${0##*/}" "$@"
}

open_workspace() {
    if [ "$dry_run" = yes ]; then
        work=$(mktemp -d)
        trap 'rm -rf "$work"' EXIT
        return
    fi
    mkdir -p "$HANDOFF_HOME" || die "cannot make $HANDOFF_HOME: set HANDOFF_HOME to a folder you may write to"
    exec 9>"$HANDOFF_HOME/.lock" || die "cannot write in $HANDOFF_HOME: set HANDOFF_HOME to a folder you may write to"
    if ! flock -n 9; then
        say "another set-up is at work in $HANDOFF_HOME: waiting for it"
        flock 9
    fi
    # What a killed set-up left; nobody else is here, since we hold the lock.
    rm -rf "$HANDOFF_HOME"/.setup.*
    work=$(mktemp -d "$HANDOFF_HOME/.setup.XXXXXX")
    trap 'rm -rf "$work"' EXIT
    # pip, npm and node leave their crumbs here too.
    export TMPDIR=$work
    trap 'exit 130' INT
    trap 'exit 143' TERM
}

print_environment() {
    printf 'HANDOFF_HOME=%s\n' "$HANDOFF_HOME"
    printf 'HANDOFF_ENGINE_PREFIX=%s\n' "$engine"
    printf 'HANDOFF_NODE=%s\n' "$(node_path)"
    printf 'HANDOFF_CLIENTS_DIR=%s\n' "$clients"
    printf 'HANDOFF_TOOLS=%s\n' "$tools/programs"
}
