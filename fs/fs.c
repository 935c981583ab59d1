/* The file systems' start, called once by kmain when memory is up and before the drivers. */
#include "fs/internal.h"

#include "fs/pipe.h"

void fs_init(void)
{
	inode_cache_init();
	dcache_init();
	tmpfs_init();
	devfs_init();
	pipe_init();
	anon_init();
	socket_init();
	procfs_init();
}
