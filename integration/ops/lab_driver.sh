#!/usr/bin/env bash
# Runs inside systemd_lab.sh's system: installs, starts, reloads, upgrades, stops. Prints `name=value` lines, which
# test_systemd_live.py judges. The repository's systemd/ is /lab/systemd, the stand-in /lab/commutator.
set -uo pipefail

PATH=/usr/local/bin:$PATH
show() { systemctl show --property="$1" --value commutator; }
of_main() { awk -v key="$1:" '$1 == key { print $2; exit }' "/proc/$(show MainPID)/status"; }
run() { local name=$1; shift; "$@"; echo "$name=$?"; }

# The lab has neither network-online.target nor a journal.
mkdir -p /etc/systemd/system/commutator.service.d
cat >/etc/systemd/system/commutator.service.d/99-lab.conf <<'UNIT'
[Unit]
DefaultDependencies=no
[Service]
StandardOutput=append:/lab/unit.log
StandardError=append:/lab/unit.log
WatchdogSec=5s
UNIT

run install /lab/systemd/install.sh --binary /lab/commutator --conf /lab/conf
run install_again /lab/systemd/install.sh --binary /lab/commutator --conf /lab/conf
run start timeout 60 systemctl start commutator
echo "status_text=$(show StatusText)"
echo "seccomp=$(of_main Seccomp)"
echo "no_new_privileges=$(of_main NoNewPrivs)"
echo "capabilities=$(of_main CapBnd)"
echo "uid_is_services=$([ "$(of_main Uid)" = "$(id -u commutator)" ] && echo yes)"
run reload timeout 60 systemctl reload commutator
echo "same_process_after_reload=$([ "$(show NRestarts)" = 0 ] && echo yes)"

/usr/bin/python3 /lab/load.py >/lab/load.json &
load=$!
sleep 1
first=$(show MainPID)
run upgrade timeout 100 commutator-upgrade --timeout 60
second=$(show MainPID)
echo "main_process_changed=$([ "$first" != "$second" ] && echo yes)"
echo "old_process_drains=$([ -d "/proc/$first" ] && echo yes)"
echo "seccomp_after=$(of_main Seccomp)"
echo "capabilities_after=$(of_main CapBnd)"
echo "parent_after=$(of_main PPid)"
echo "cgroup_after=$(sed -n 's/^0:://p' "/proc/$second/cgroup")"
echo "dropin_removed=$([ ! -e /run/systemd/system/commutator.service.d ] && echo yes)"
# Longer than WatchdogSec: a new process that does not ping would be killed.
sleep 8
echo "old_process_gone=$([ ! -d "/proc/$first" ] && echo yes)"
echo "main_after_watchdog=$([ "$(show MainPID)" = "$second" ] && echo same)"
touch /lab/load-stop
wait "$load"
run reload_after timeout 60 systemctl reload commutator

touch /etc/commutator/fail-upgrade
run failing_upgrade timeout 100 commutator-upgrade --timeout 20
sleep 6
echo "main_after_failing=$([ "$(show MainPID)" = "$second" ] && echo same)"
echo "active_after_failing=$(show ActiveState)"
rm /etc/commutator/fail-upgrade

run upgrade_again timeout 100 commutator-upgrade --timeout 60
# While the old one drains: it has the full time too.
run stop timeout 60 systemctl stop commutator
echo "result=$(show Result)"
echo "drained=$(grep -c drained /lab/unit.log)"
echo "restarts=$(show NRestarts)"
run uninstall /lab/systemd/install.sh --uninstall
