#!/bin/busybox sh
# The first program of the virtual machine: sees its root and gives it to start.sh of the shared folder.
# The root is the host's, read-only; what is written on it is in memory and goes with the machine.
set -e
busybox mount -t devtmpfs dev /dev
exec >/dev/console 2>&1 </dev/null
trap 'echo "init failed"; busybox poweroff -f' EXIT
for module in /modules/*.ko; do busybox insmod "$module"; done
share="trans=virtio,version=9p2000.L,msize=512000"
busybox mount -t 9p -o "$share,ro,cache=loose" root /lower
busybox mount -t tmpfs layer /layer
busybox mkdir /layer/upper /layer/work
busybox mount -t overlay -o lowerdir=/lower,upperdir=/layer/upper,workdir=/layer/work root /root
busybox mount --move /dev /root/dev
busybox mkdir -p /root/dev/shm /root/dev/pts
busybox mount -t devpts devpts /root/dev/pts
busybox mount -t proc proc /root/proc
busybox mount -t sysfs sys /root/sys
busybox mount -t cgroup2 -o nsdelegate,memory_recursiveprot cgroup2 /root/sys/fs/cgroup  # as systemd does
for folder in tmp var/tmp dev/shm; do busybox mount -t tmpfs -o mode=1777 tmpfs "/root/$folder"; done
busybox mount -t tmpfs -o mode=0755 tmpfs /root/run
busybox mkdir /root/run/shared /root/run/bytecode
busybox mount -t 9p -o "$share" shared /root/run/shared
busybox mount -t 9p -o "$share,cache=loose" bytecode /root/run/bytecode
# A repository or an environment in a folder that is now another one's is put back where it was; in a closed folder,
# the ordinary user may pass.
while read -r kept; do
  if ! [ -e "/root$kept" ]; then
    busybox mkdir -p "/root$kept"
    busybox mount --bind "/lower$kept" "/root$kept"
  fi
  above="${kept%/*}"
  while [ -n "$above" ]; do
    busybox chmod o+x "/root$above"
    above="${above%/*}"
  done
done < /root/run/shared/kept
trap - EXIT
exec busybox switch_root /root /bin/sh /run/shared/start.sh
