/*
 * reboot(): the end. File systems are the caller's business (init syncs first).
 */
#include "drivers/power.h"
#include "kernel/cpu.h"
#include "kernel/printk.h"
#include "kernel/proc_syscalls.h"

long sys_reboot(int magic1, int magic2, unsigned cmd, void __user *arg)
{
	if (current->process->euid)
		return -EPERM;
	if ((u32)magic1 != LINUX_REBOOT_MAGIC1 || (magic2 != LINUX_REBOOT_MAGIC2 && magic2 != LINUX_REBOOT_MAGIC2A &&
	    magic2 != LINUX_REBOOT_MAGIC2B && magic2 != LINUX_REBOOT_MAGIC2C))
		return -EINVAL;
	switch (cmd) {
	case LINUX_REBOOT_CMD_RESTART:
		power_reset();
	case LINUX_REBOOT_CMD_POWER_OFF:
	case LINUX_REBOOT_CMD_HALT:
		printk("power off\n");
		power_off();
	case LINUX_REBOOT_CMD_CAD_ON:
	case LINUX_REBOOT_CMD_CAD_OFF:
		return 0;
	}
	return -EINVAL;
}
