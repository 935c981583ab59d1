# with: qemu-utils coreutils
# QEMU's block layer with Linux AIO (-n) and O_DIRECT (-t none): it takes the events out of the ring itself.
seq 1 200000 | head -c 1048576 > img
qemu-img bench -c 300 -d 16 -s 4096 -n -t none -f raw img | grep -v 'completed in'
qemu-img bench -w --pattern=65 -c 100 -d 8 -s 8192 -o 65536 -n -t none -f raw img | grep -v 'completed in'; md5sum < img
qemu-img convert -n -t none -T none -f raw -O raw img img 2>/dev/null; qemu-img convert -t none -T none -f raw -O qcow2 img q && qemu-img compare -T none img q && qemu-img check -T none q | head -1
qemu-io -n -t none -f raw -c 'write -P 7 4096 12288' -c 'aio_write -P 8 20480 4096' -c 'aio_flush' -c 'read -P 7 4096 12288' -c 'aio_read -P 8 20480 4096' -c 'aio_flush' img | grep -v 'ops;'; md5sum < img
