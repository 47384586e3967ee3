#!/usr/bin/env bash
# Runs the native encoder's tests on a processor with AVX-512 (VNNI, BF16) that Bochs emulates.
#
#     run.sh TEST_BINARY [FILTER...]
#
# ROOT   a folder with the unpacked packages, where they are not installed (see README.md)
# MODEL  the processor, one of `bochs --help cpu`; the default has BF16
# LIMIT  seconds after which it gives up
#
# Exits with 0 when all tests passed, 1 when not, 77 when it was skipped.
set -euo pipefail

ROOT=${ROOT:-} MODEL=${MODEL:-sapphire_rapids} LIMIT=${LIMIT:-3600}
BOCHS=07fc8c4bee6efb24d690302db0f07159ad5a153c88bca64bb9345a4263ceb5aa
KERNEL=6.12.107+deb13-cloud-amd64

skip() {
    echo "SKIPPED, NOTHING WAS TESTED: $*" >&2
    exit 77
}

# A program of the unpacked packages, with their libraries.
of_root() {
    if [[ -z $ROOT ]]; then
        "$@"
    else
        "$ROOT/usr/lib64/ld-linux-x86-64.so.2" --library-path "$libraries:$libraries/pulseaudio" "$@"
    fi
}

(($# > 0)) || { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit 2; }
binary=$(realpath "$1")
shift
(($# > 0)) || set -- native
libraries=$ROOT/usr/lib/x86_64-linux-gnu
for file in usr/bin/bochs-bin usr/bin/xorriso usr/bin/busybox usr/share/bochs/BIOS-bochs-latest \
    usr/share/vgabios/vgabios.bin usr/lib/ISOLINUX/isolinux.bin usr/lib/syslinux/modules/bios/ldlinux.c32 \
    "boot/vmlinuz-$KERNEL" usr/lib/x86_64-linux-gnu/bochs/plugins/libbx_term_gui.so; do
    [[ -e $ROOT/$file ]] || skip "no $ROOT/$file (README.md lists the packages)"
done
export LTDL_LIBRARY_PATH=$libraries/bochs/plugins BXSHARE=$ROOT/usr/share/bochs
models=$(of_root "$ROOT/usr/bin/bochs-bin" --help cpu 2>&1) || true
grep -qx "$MODEL" <<<"$models" || skip "this Bochs has no $MODEL"
sum=$(sha256sum <"$ROOT/usr/bin/bochs-bin")
[[ ${sum%% *} == "$BOCHS" ]] || skip "another Bochs than 3.0+dfsg-1, whose fault is mended below"

work=$(mktemp -d)
bochs=
finish() {
    if [[ -n $bochs ]]; then
        kill -KILL -- "-$bochs" 2>/dev/null || true
        wait "$bochs" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap finish EXIT

# Bochs 3.0 takes the second operand of `vdpbf16ps`, when it lies in memory, for a single number: it multiplies the short
# form of a displacement by 4 where it is to be multiplied by 64, and reads the wrong place. That is one byte of its table
# of instructions (OP_mVdq32 instead of OP_mVdq in ia_opcodes_evex.def), here put right in a copy.
cp "$ROOT/usr/bin/bochs-bin" "$work/bochs-bin"
printf '\x04' | dd of="$work/bochs-bin" bs=1 seek=4719282 conv=notrunc status=none

# The guest: the tests, the libraries that they ask for, and a shell that starts them.
guest=$work/guest
mkdir -p "$guest"/{bin,dev,proc,sys,tmp,lib64,iso} "$work/iso"
cp "$ROOT/usr/bin/busybox" "$guest/bin/"
strip -o "$guest/tests" "$binary" 2>/dev/null || cp "$binary" "$guest/tests"
ldd "$binary" | grep -o '/[^ ]*' | while read -r library; do cp -L "$library" "$guest/lib64/"; done
cat >"$guest/init" <<GUEST
#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin LD_LIBRARY_PATH=/lib64 RUST_TEST_THREADS=1 RUST_BACKTRACE=1
mount -t proc proc /proc; mount -t devtmpfs dev /dev; mount -t tmpfs tmp /tmp
cd /tmp
echo "guest: \$(sed -n 's/^model name.*: //p' /proc/cpuinfo)"
echo "guest: flags \$(grep -m1 ^flags /proc/cpuinfo | tr ' ' '\\n' | grep -E '^(avx|fma|f16c|amx)' | tr '\\n' ' ')"
failed=0
pass() {
    echo "guest: COMMUTATOR_KERNELS=\$COMMUTATOR_KERNELS \$*"
    /tests --nocapture "\$@" || failed=1
}
pass $*
# What takes the best kernels by itself, with those below the best.
for COMMUTATOR_KERNELS in avx512 avx2; do
    export COMMUTATOR_KERNELS
    pass native::tests::agreement::threads native::tests::agreement::several native::tests::refusals
done
echo "guest: failed=\$failed"
poweroff -f
GUEST
chmod +x "$guest/init"
(cd "$guest" && find . | "$ROOT/usr/bin/busybox" cpio -o -H newc 2>/dev/null) >"$work/iso/initrd"

cp "$ROOT/boot/vmlinuz-$KERNEL" "$work/iso/vmlinuz"
cp "$ROOT/usr/lib/ISOLINUX/isolinux.bin" "$ROOT/usr/lib/syslinux/modules/bios/ldlinux.c32" "$work/iso/"
# Without AMX: the kernel turns on a part of it alone, which Bochs refuses.
cat >"$work/iso/isolinux.cfg" <<ISO
DEFAULT tests
LABEL tests
  KERNEL /vmlinuz
  INITRD /initrd
  APPEND console=ttyS0 quiet panic=1 nokaslr mitigations=off no5lvl clearcpuid=amx_tile
ISO
of_root "$ROOT/usr/bin/xorriso" -as mkisofs -quiet -o "$work/tests.iso" -b isolinux.bin -c boot.cat -no-emul-boot \
    -boot-load-size 4 -boot-info-table "$work/iso" >/dev/null 2>&1

cat >"$work/bochsrc" <<BOCHS
config_interface: textconfig
display_library: term
romimage: file=$ROOT/usr/share/bochs/BIOS-bochs-latest
vgaromimage: file=$ROOT/usr/share/vgabios/vgabios.bin
cpu: model=$MODEL, count=1, ips=100000000, reset_on_triple_fault=0
memory: guest=1024, host=1024
ata0-master: type=cdrom, path=$work/tests.iso, status=inserted
boot: cdrom
com1: enabled=1, mode=file, dev=$work/serial
log: $work/log
panic: action=fatal
BOCHS

touch "$work/serial"
set -m
TERM=linux of_root "$work/bochs-bin" -q -f "$work/bochsrc" >/dev/null 2>&1 </dev/null &
bochs=$!
set +m
start=$SECONDS shown=0
while sleep 1; do
    # What the guest wrote since, line by line, with the seconds that it took.
    lines=$(wc -l <"$work/serial")
    if ((lines > shown)); then
        sed -n "$((shown + 1)),${lines}p" "$work/serial" | tr -d '\r' | sed "s/proptest: .*//; s/^/$((SECONDS - start)) s  /"
        shown=$lines
    fi
    ! grep -q '^guest: failed=' "$work/serial" || break
    ((SECONDS - start < LIMIT)) || { echo "given up after $LIMIT s" >&2; break; }
    kill -0 "$bochs" 2>/dev/null || { echo "Bochs ended:" >&2; tail -5 "$work/log" >&2; break; }
done
grep -q '^guest: failed=0' "$work/serial"
