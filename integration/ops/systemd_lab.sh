#!/usr/bin/env bash
# Boots a real systemd, as PID 1 of namespaces of its own, on a throw-away copy of this machine's files, and
# runs a script in it. test_systemd_live.py uses it; needs root.
#
#   systemd_lab.sh SHARED
#
# SHARED/driver.sh runs inside (SHARED is /lab there), after SHARED/setup.sh, which runs before the boot with
# the new root as its argument. Nothing written outside /lab survives, and everything ends with this script.
# Exit status: 0 the driver ended (SHARED/status holds its exit status); 69 this machine cannot do it.
set -euo pipefail

shared=$(cd "${1:?usage: systemd_lab.sh SHARED}" && pwd)
unavailable() { echo "SKIP: $*" >&2; exit 69; }

if [ "${2:-}" != --inside ]; then
    [ "$(id -u)" = 0 ] || unavailable "a real systemd needs root"
    [ -x /lib/systemd/systemd ] || unavailable "systemd is not installed"
    # A cgroup of its own, below which the namespace sees nothing of the machine's.
    cgroups=$(awk '$3 == "cgroup2" { print $2; exit }' /proc/mounts)
    [ -n "$cgroups" ] || unavailable "no cgroup v2 hierarchy is mounted"
    cgroup=$cgroups/commutator-lab-$$
    mkdir "$cgroup" 2>/dev/null || unavailable "no cgroup can be made"
    unshare --mount --pid --uts --ipc --net --cgroup --fork true 2>/dev/null || {
        rmdir "$cgroup"
        unavailable "namespaces cannot be made"
    }
    # shellcheck disable=SC2016
    setsid bash -c 'echo $$ >"$1/cgroup.procs" && exec unshare --mount --pid --uts --ipc --net --cgroup --fork \
        --kill-child=KILL bash "$2" "$3" --inside' lab "$cgroup" "${BASH_SOURCE[0]}" "$shared" </dev/null &
    lab=$!
    # shellcheck disable=SC2329 # called by the trap
    end() {
        kill -KILL "$lab" 2>/dev/null || true
        wait "$lab" 2>/dev/null || true
        # The processes of the namespace die with it, but not at once.
        for _ in $(seq 50); do
            find "$cgroup" -depth -type d -exec rmdir {} + 2>/dev/null || true
            [ -d "$cgroup" ] || break
            sleep 0.1
        done
    }
    trap end EXIT
    trap 'exit 1' HUP INT TERM
    # Ends with the driver: its service writes the status, then systemd is no longer needed.
    while kill -0 "$lab" 2>/dev/null && [ ! -e "$shared/status" ]; do sleep 0.2; done
    [ -e "$shared/status" ] || {
        cat "$shared/boot.log" >&2 2>/dev/null || true
        unavailable "systemd did not boot in namespaces of its own"
    }
    exit 0
fi

# --- Inside the namespaces --------------------------------------------------------------------------
exec >"$shared/boot.log" 2>&1
mount --make-rprivate /
layers=$(mktemp -d "$shared/layers.XXXXXX")
mount -t tmpfs tmpfs "$layers"
root=$layers/root
mkdir "$layers/upper" "$layers/work" "$root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$layers/upper,workdir=$layers/work" "$root"
mount -t proc proc "$root/proc"
mount -t sysfs sysfs "$root/sys"
mkdir -p "$root/sys/fs/cgroup"
mount -t cgroup2 cgroup2 "$root/sys/fs/cgroup"
mount -t tmpfs tmpfs "$root/run"
mount -t tmpfs tmpfs "$root/tmp"
mount -t tmpfs -o mode=755 dev "$root/dev"
for device in null zero full random urandom tty; do cp -a "/dev/$device" "$root/dev/$device"; done
mknod "$root/dev/console" c 5 1
mkdir "$root/dev/pts" "$root/dev/shm" "$root/dev/mqueue" "$root/dev/hugepages"
mount -t devpts -o newinstance,ptmxmode=0666 devpts "$root/dev/pts"
ln -s pts/ptmx "$root/dev/ptmx"
mkdir "$root/lab"
mount --bind "$shared" "$root/lab"
ip link set lo up 2>/dev/null || python3 -c '
import fcntl, socket, struct  # SIOCSIFFLAGS, IFF_UP | IFF_RUNNING: for a machine without iproute2
fcntl.ioctl(socket.socket(), 0x8914, struct.pack("16sh14x", b"lo", 0x41))'

# Nothing of the machine's own services: one target, one driver.
rm -rf "${root:?}/etc/systemd/system"
mkdir -p "$root/etc/systemd/system"
printf '[Unit]\nWants=lab.service\nAllowIsolate=yes\n' >"$root/etc/systemd/system/lab.target"
cat >"$root/etc/systemd/system/lab.service" <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
Type=oneshot
ExecStart=/bin/bash -c '/bin/bash /lab/driver.sh >/lab/driver.log 2>&1; echo $? >/lab/status'
TimeoutStartSec=300
UNIT
bash "$shared/setup.sh" "$root"
cd "$root"
mkdir old
pivot_root . old
umount -l /old
exec env -i container=lab PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    /lib/systemd/systemd --system --unit=lab.target --log-target=null
