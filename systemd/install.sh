#!/bin/sh
# Installs a built commutator, its configuration and its systemd unit; safe to run again.
#
#   systemd/install.sh [--binary FILE] [--bundle DIR] [--conf DIR] [--prefix DIR]
#   systemd/install.sh --uninstall [--purge] [--prefix DIR]
#
#   --binary FILE   default: target/release/commutator of this clone
#   --bundle DIR    the models; default: models/bundle of this clone
#   --conf DIR      where gateway.yaml and policy.yaml are taken from; default: conf/ of this clone
#   --prefix DIR    default: /usr/local
#   --uninstall     removes what was installed; configuration, state and user stay
#   --purge         with --uninstall: removes configuration and state too
#
# DESTDIR=DIR installs below DIR (for packages and images) and runs nothing on this system.
# A configuration file that is already there is never changed: a new one goes beside it as NAME.new.
# Nothing is started: the last lines printed say how.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
binary=$here/../target/release/commutator
conf=$here/../conf
bundle=$here/../models/bundle
prefix=/usr/local
destdir=${DESTDIR:-}
action=install
purge=no

die() { echo "install.sh: $*" >&2; exit 1; }
usage() { sed -n '2,17s/^# \{0,1\}//p' "$0"; }
value() { [ "$1" -ge 2 ] || die "$2 needs a value (see --help)"; }

while [ $# -gt 0 ]; do
    case $1 in
        --binary) value $# "$1"; binary=$2; shift 2 ;;
        --bundle) value $# "$1"; bundle=$2; shift 2 ;;
        --conf) value $# "$1"; conf=$2; shift 2 ;;
        --prefix) value $# "$1"; prefix=$2; shift 2 ;;
        --uninstall) action=uninstall; shift ;;
        --purge) purge=yes; shift ;;
        -h|--help) usage; exit 0 ;;
        *) usage >&2; die "unknown argument: $1" ;;
    esac
done
case $prefix in
    /*) ;;
    *) die "--prefix must be absolute, not '$prefix'" ;;
esac
case $prefix in
    *[!A-Za-z0-9/._-]*) die "--prefix may hold letters, digits, '/', '.', '_' and '-' only: it goes into the unit" ;;
esac
[ "$purge" = no ] || [ "$action" = uninstall ] || die "--purge goes with --uninstall"
prefix=${prefix%/}

bindir=$prefix/bin
libdir=$prefix/lib/commutator
unitdir=$prefix/lib/systemd/system
sysusersdir=$prefix/lib/sysusers.d
tmpfilesdir=$prefix/lib/tmpfiles.d
docdir=$prefix/share/doc/commutator
# The binary looks for its models here: ../share/commutator/bundle from where it lies.
bundledir=$prefix/share/commutator/bundle
etc=/etc/commutator
override=/etc/systemd/system/commutator.service.d/10-older-systemd.conf

# This system is ours to touch: no DESTDIR, and systemd runs it.
live() { [ -z "$destdir" ] && [ -d /run/systemd/system ]; }
writable() { [ -n "$destdir" ] || [ "$(id -u)" = 0 ] || die "must run as root (or with DESTDIR=...)"; }
systemd_version() { systemctl --version 2>/dev/null | sed -n '1s/^systemd \([0-9]*\).*/\1/p'; }

# put MODE SOURCE TARGET: replaces TARGET in one step (a running binary cannot be written to), with
# the paths of the chosen prefix.
put() {
    target=$destdir$3
    mkdir -p "${target%/*}"
    temporary=$target.install.$$
    case $2 in
        "$binary") cp "$2" "$temporary" ;;
        *)
            sed -e "s#/usr/bin/commutator#$bindir/commutator#g" \
                -e "s#/usr/lib/commutator#$libdir#g" \
                -e "s#/usr/share/doc/commutator#$docdir#g" "$2" >"$temporary"
            ;;
    esac
    chmod "$1" "$temporary"
    mv -f "$temporary" "$target"
}

# put_conf SOURCE TARGET: the operator's file wins.
put_conf() {
    target=$destdir$2
    if [ ! -e "$target" ]; then
        cp "$1" "$target"
        chmod 0640 "$target"
    elif cmp -s "$1" "$target"; then
        rm -f "$target.new"
    else
        cp "$1" "$target.new"
        chmod 0640 "$target.new"
        echo "kept $2; the shipped one is $2.new"
    fi
}

# put_bundle: the models as a whole; a running process has read its own already.
put_bundle() {
    target=$destdir$bundledir
    mkdir -p "${target%/*}"
    rm -rf "$target.install.$$"
    cp -R "$bundle" "$target.install.$$"
    chmod -R u=rwX,go=rX "$target.install.$$"
    rm -rf "$target"
    mv "$target.install.$$" "$target"
}

install_all() {
    [ -f "$binary" ] || die "no binary at $binary: build it (cargo build --release --locked) or name it with --binary"
    [ -x "$binary" ] || die "$binary is not executable"
    [ -f "$bundle/manifest.json" ] || die "no models in $bundle: name their directory with --bundle"
    for file in gateway.yaml policy.yaml; do
        [ -f "$conf/$file" ] || die "no $file in $conf: name its directory with --conf"
    done
    writable
    if live; then
        version=$(systemd_version)
        [ "${version:-0}" -ge 247 ] || die "systemd ${version:-?} is too old: 247 or newer is needed"
    fi

    put 0755 "$binary" "$bindir/commutator"
    put_bundle
    put 0755 "$here/commutator-upgrade" "$bindir/commutator-upgrade"
    put 0755 "$here/start-upgrade" "$libdir/start-upgrade"
    put 0644 "$here/commutator.service" "$unitdir/commutator.service"
    put 0644 "$here/commutator.sysusers.conf" "$sysusersdir/commutator.conf"
    put 0644 "$here/commutator.tmpfiles.conf" "$tmpfilesdir/commutator.conf"
    put 0644 "$here/README.md" "$docdir/README.md"
    for source in "$here/older-systemd.conf" "$here"/examples/*.conf; do
        put 0644 "$source" "$docdir/drop-ins/${source##*/}"
    done

    mkdir -p "$destdir$etc/tls"
    chmod 0750 "$destdir$etc" "$destdir$etc/tls"
    put_conf "$conf/gateway.yaml" "$etc/gateway.yaml"
    put_conf "$conf/policy.yaml" "$etc/policy.yaml"

    if live; then
        if [ "$version" -lt 253 ]; then
            put 0644 "$here/older-systemd.conf" "$override"
            echo "systemd $version has no Type=notify-reload: added $override"
        else
            rm -f "$override"
        fi
        systemd-sysusers "$sysusersdir/commutator.conf"
        systemd-tmpfiles --create "$tmpfilesdir/commutator.conf"
        systemctl daemon-reload
        echo "installed. Next:"
        echo "  $bindir/commutator check --config $etc/gateway.yaml"
        echo "  systemctl enable --now commutator      # or, where it runs already: commutator-upgrade"
    else
        echo "installed below ${destdir:-/}; on the target: systemd-sysusers, systemd-tmpfiles --create, systemctl daemon-reload"
        echo "(systemd before 253 needs $docdir/drop-ins/older-systemd.conf as a drop-in)"
    fi
}

uninstall_all() {
    writable
    if live && systemctl list-unit-files commutator.service >/dev/null 2>&1; then
        systemctl disable --now commutator.service || echo "install.sh: could not stop commutator.service" >&2
    fi
    rm -f "$destdir$bindir/commutator" "$destdir$bindir/commutator-upgrade" \
        "$destdir$unitdir/commutator.service" "$destdir$sysusersdir/commutator.conf" \
        "$destdir$tmpfilesdir/commutator.conf" "$destdir$override"
    rm -rf "$destdir$libdir" "$destdir$docdir" "$destdir$bundledir"
    rmdir "$destdir${bundledir%/*}" 2>/dev/null || true
    rmdir "$destdir${override%/*}" 2>/dev/null || true
    if [ "$purge" = yes ]; then
        rm -rf "$destdir$etc" "$destdir/var/lib/commutator"
    fi
    ! live || systemctl daemon-reload
    if [ "$purge" = yes ]; then
        echo "uninstalled, with configuration and state; the user 'commutator' stays (userdel commutator)"
    else
        echo "uninstalled; kept $etc, /var/lib/commutator and the user 'commutator'"
    fi
}

"${action}_all"
