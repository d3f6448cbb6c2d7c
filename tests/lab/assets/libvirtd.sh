# Becomes a libvirtd that finds folders of its own in the places that are compiled into it.
#   sh -c libvirtd.sh libvirtd FOLDER CACHE
# To be run in mount and network namespaces of its own: nothing of this is seen outside or outlives the process. Empty file
# systems cover the parents, so that the machine needs no such folders.
set -eu
folder=$1
cache=$2
cd "$folder"
for place in lib:/var/lib run:/run log:/var/log cache:/var/cache; do
    inside=${place#*:}
    source=$folder/${place%%:*}
    [ "$inside" = /var/cache ] && source=$cache
    mount -t tmpfs -o mode=755 none "$inside"
    mkdir "$inside/libvirt"
    mount --bind "$source" "$inside/libvirt"
done
# A guest's control group has the same name under every libvirtd, and two of them would count each other's CPU time. Without any
# in sight libvirt reads the times from /proc.
umount -R /sys/fs/cgroup 2>/dev/null || true
mount --bind etc /etc/libvirt
mount --bind passwd /etc/passwd
mount --bind group /etc/group
exec libvirtd -f "$folder/libvirtd.conf" -p "$folder/libvirtd.pid"
