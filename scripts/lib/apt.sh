# shellcheck shell=bash
# A private apt: own lists, cache, sources, preferences; the system's files are only read.

# Debian's own engine packages are too old in the stable release: they come from the next one. A code name,
# not "testing", so that the meaning does not move when that release comes out.
debian_engine_suite=forky

can_use_apt() {
    local program
    for program in apt-get apt-cache dpkg-deb dpkg-query; do
        type -P "$program" >/dev/null || return 1
    done
    [ -n "${HANDOFF_APT_SOURCES:-}" ] && return 0
    case $os_id in
    debian) [ -z "$os_version" ] || version_ge "$os_version" 12 ;;
    ubuntu) version_ge "$os_version" 24.04 ;;
    *) return 1 ;;
    esac
}

# configured_mirrors SUITE: the URIs from which this machine takes SUITE's main component. apt itself reads
# its sources (both formats), so nothing here has to parse them.
configured_mirrors() {
    # The \$(...) are apt's fields, not the shell's.
    # shellcheck disable=SC2016
    apt-get indextargets --no-release-info --format '$(REPO_URI) $(RELEASE) $(COMPONENT)' \
        'Created-By: Packages' 2>/dev/null |
        awk -v suite="$1" '$2 == suite && $3 == "main" && $1 !~ /^cdrom/ && !seen[$1]++ { print $1 }'
}

# mirrors_in_turn: the mirrors that this machine uses; what looks like the distribution's own first, other hosts next.
mirrors_in_turn() {
    local all
    all=$(configured_mirrors "$os_codename" || true)
    { grep -E '/(debian|ubuntu|ubuntu-ports)/?$' <<<"$all" || true
      grep -vE '/(debian|ubuntu|ubuntu-ports)/?$' <<<"$all" || true; } | awk 'NF && !seen[$0 ~ /\/$/ ? $0 : $0 "/"]++'
}

apt_config() {
    mkdir -p "$work"/apt/{lists/partial,cache/archives/partial,state}
    : >"$work/apt/status"
    cat >"$work/apt/preferences" <<PREFERENCES
Package: *
Pin: release n=$debian_engine_suite
Pin-Priority: 1
PREFERENCES
    # Read last of all files (apt-get -c), so it wins over the system's; proxies, certificates and mirror
    # passwords of the system stay in force. Hooks go: some of them empty the system's cache.
    cat >"$work/apt/apt.conf" <<CONFIG
Dir::Etc::SourceList "$work/apt/sources.list";
Dir::Etc::SourceParts "/dev/null";
Dir::Etc::Preferences "$work/apt/preferences";
Dir::Etc::PreferencesParts "/dev/null";
Dir::State "$work/apt/state";
Dir::State::Lists "$work/apt/lists";
Dir::State::status "$work/apt/status";
Dir::Cache "$work/apt/cache";
Dir::Cache::pkgcache "pkgcache.bin";
Dir::Cache::srcpkgcache "srcpkgcache.bin";
Dir::Cache::archives "$work/apt/cache/archives";
Dir::Log "$work/apt";
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear DPkg::Pre-Invoke;
#clear DPkg::Post-Invoke;
#clear DPkg::Pre-Install-Pkgs;
APT::Sandbox::User "$(id -un)";
APT::Get::AllowUnauthenticated "false";
APT::Get::Allow-Downgrades "false";
Acquire::AllowInsecureRepositories "false";
Acquire::AllowWeakRepositories "false";
Acquire::AllowDowngradeToInsecureRepositories "false";
Acquire::Languages "none";
Acquire::PDiffs "false";
Acquire::GzipIndexes "false";
Acquire::Retries "3";
CONFIG
}

# sources_from MIRROR: our source lines. Signed by the distribution's own keyring and by nothing else.
sources_from() {
    local suite options
    options="[arch=$(dpkg --print-architecture) target=Packages signed-by=$keyring]"
    if [ "$os_id" = debian ]; then
        printf 'deb %s %s %s main\n' "$options" "$1" "$debian_engine_suite"
        if [ -n "$os_codename" ] && [ "$os_codename" != "$debian_engine_suite" ]; then
            printf 'deb %s %s %s main\n' "$options" "$1" "$os_codename"
        fi
    else
        for suite in "$os_codename" "$os_codename-updates"; do
            printf 'deb %s %s %s main universe\n' "$options" "$1" "$suite"
        done
    fi
}

private_apt() {
    local program=$1
    shift
    LC_ALL=C "$program" -c "$work/apt/apt.conf" "$@"
}

without_password() { sed 's#//[^/@]*@#//#' <<<"$1"; }

# apt_open: gets the signed indexes. After it plan_* may ask what there is.
apt_open() {
    local mirror log=$work/apt-update.log
    apt_config
    if [ -n "${HANDOFF_APT_SOURCES:-}" ]; then
        [ -r "$HANDOFF_APT_SOURCES" ] || die "cannot read HANDOFF_APT_SOURCES ($HANDOFF_APT_SOURCES)"
        if grep -qiE 'trusted|allow-(insecure|weak|downgrade)' "$HANDOFF_APT_SOURCES"; then
            die "$HANDOFF_APT_SOURCES turns signature checks off: remove trusted= and allow-*= from its lines"
        fi
        cp "$HANDOFF_APT_SOURCES" "$work/apt/sources.list"
        say "reading the signed package index that HANDOFF_APT_SOURCES names"
        private_apt apt-get -q update >"$log" 2>&1 && ! grep -qE '^(Err|E|W: (Failed|Some|GPG|An error))' "$log" ||
            refuse_index "$log"
        mirror_used=$(awk '$1 == "deb" { for (i = 2; i <= NF; i++) if ($i ~ /:\//  && $i !~ /=/) { print $i; exit } }' "$work/apt/sources.list")
        return
    fi
    if [ "$os_id" = debian ]; then
        keyring=/usr/share/keyrings/debian-archive-keyring.gpg
    else
        keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
    fi
    [ -r "$keyring" ] || die "no $keyring: apt-get install $(basename "$keyring" | sed 's/-archive-keyring.*//; s/debian/debian-archive/')-keyring"
    while read -r mirror; do
        sources_from "$mirror" >"$work/apt/sources.list"
        say "reading the signed package index at $(without_password "$mirror") (about 20 MB, not kept)"
        if private_apt apt-get -q update >"$log" 2>&1 && ! grep -qE '^(Err|E|W: (Failed|Some|GPG|An error))' "$log"; then
            mirror_used=$(without_password "$mirror")
            return
        fi
        warn "$(without_password "$mirror") does not do: $(grep -E '^(Err|E:|W:)' "$log" | head -n 1)"
    done < <(mirrors_in_turn)
    [ -s "$log" ] || die "apt knows no mirror here: add the distribution's to /etc/apt/sources.list, or name a file of sources in HANDOFF_APT_SOURCES"
    refuse_index "$log"
}

refuse_index() {
    grep -E '^(Err|E:|W:| )' "$1" >&2 || cat "$1" >&2
    die "no package index that can be reached and whose signature holds (offline? see docs/setup.md)"
}
