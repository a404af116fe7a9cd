#!/usr/bin/busybox sh
# The first process of a test machine. It runs every suite in /passes, whose
# lines are a layout of cgroups, a folder and arguments, and ends the machine.
# What the tests print, as test2json wants it, goes to the second serial line;
# the kernel's own messages stay on the first.
PATH=/usr/local/bin:/usr/sbin:/usr/bin HOME=/root TERM=dumb KINGSNAKE_SET_CLOCK=1
export PATH HOME TERM KINGSNAKE_SET_CLOCK
busybox mount -t proc proc /proc
busybox --install -s /usr/bin 2>/dev/null # what is there already stays
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
ln -s /proc/self/fd /dev/fd
mkdir /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tracefs tracefs /sys/kernel/tracing
ip link set lo up
ulimit -n 4096
for module in /modules/*; do
	case $module in
	*.xz) xzcat "$module" >/tmp/module && insmod /tmp/module && rm /tmp/module ;;
	*) insmod "$module" ;;
	esac || echo "kingsnake: cannot load $module"
done

# A container's cgroup as Kubernetes names it, with either driver.
id=0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef
pod=5f3c1d2e-8a4b-4c6d-9e0f-a1b2c3d4e5f6
enter() { # FOLDER: move this shell there
	mkdir -p "$1" && echo $$ >"$1/cgroup.procs"
}
cgroup=/sys/fs/cgroup
join() {
	case $1 in
	v1) # no unified hierarchy at all
		mount -t tmpfs tmpfs $cgroup
		for controller in cpu memory pids; do
			mkdir $cgroup/$controller
			mount -t cgroup -o $controller cgroup $cgroup/$controller
			enter $cgroup/$controller/kubepods/burstable/pod$pod/$id
		done
		;;
	v2)
		mount -t cgroup2 cgroup2 $cgroup
		enter $cgroup/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod$(echo $pod | tr - _).slice/cri-containerd-$id.scope
		;;
	esac
}
leave() {
	case $1 in
	v1) for dir in $cgroup/*; do echo $$ >"$dir/cgroup.procs" && umount "$dir"; done ;;
	v2) echo $$ >$cgroup/cgroup.procs ;;
	esac
	umount $cgroup
}

exec 3>/dev/ttyS1
stty -F /dev/ttyS1 raw
while read -r layout folder arguments; do
	join "$layout"
	cd "/src/$folder"
	echo "kingsnake: begin $layout $folder" >&3
	eval "./suite.test -test.v=test2json $arguments" >&3 2>&3 </dev/null
	printf '\nkingsnake: end %s\n' $? >&3
	cd /
	leave "$layout"
done </passes
echo 'kingsnake: done' >&3
exec 3>&-
reboot -f
