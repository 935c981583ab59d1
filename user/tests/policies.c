/* Scheduling policies and their limits, nice values, affinity: what is accepted, told, and inherited. */
#include "t.h"

#define SP(pid, policy, prio) T(syscall(SYS_sched_setscheduler, pid, policy, &(int){ prio }))
#define GET(pid) T(syscall(SYS_sched_getscheduler, pid))

int main(void)
{
	unsigned long mask[16] = { 0 };
	int prio = 7;
	GET(0);
	SP(0, 3, 0);
	GET(0);
	CHILD("inherits", GET(0); SP(0, 5, 0); GET(0));
	GET(0);
	SP(0, 5, 0);
	GET(getpid());
	SP(0, 0, 0);
	GET(0);
	SP(0, 0, 1);
	SP(0, 77, 0);
	SP(0, -1, 0);
	SP(-1, 0, 0);
	SP(4000000, 0, 0);
	GET(4000000);
	GET(-5);
	T(syscall(SYS_sched_setscheduler, 0, 0, NULL));
	T(syscall(SYS_sched_setscheduler, 0, 0, 16));
	SP(0, 0x40000000, 0);
	T(syscall(SYS_sched_getparam, 0, &prio));
	SAY("priority %d\n", prio);
	T(syscall(SYS_sched_setparam, 0, &(int){ 0 }));
	T(syscall(SYS_sched_setparam, 0, &(int){ 1 }));
	T(syscall(SYS_sched_getparam, 0, NULL));
	for (int p = 0; p < 7; p++)
		SAY("policy %d: %ld %ld\n", p, syscall(SYS_sched_get_priority_min, p), syscall(SYS_sched_get_priority_max, p));
	setpriority(PRIO_PROCESS, 0, 0);	/* soak runs its tests at 19 */
	T(nice(3));
	T(getpriority(PRIO_PROCESS, 0));
	T(setpriority(PRIO_PROCESS, 0, 100));
	T(getpriority(PRIO_PROCESS, 0));
	T(getpriority(9, 0));
	T(setpriority(PRIO_PROCESS, 4000000, 0));
	CHILD("nice is inherited", T(getpriority(PRIO_PROCESS, 0)));
	T(syscall(SYS_sched_getaffinity, 0, sizeof(mask), mask) > 0);
	SAY("on the first: %lu\n", mask[0] & 1);
	T(syscall(SYS_sched_getaffinity, 0, 1L, mask));
	T(syscall(SYS_sched_getaffinity, 4000000, sizeof(mask), mask));
	T(syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask));
	memset(mask, 0, sizeof(mask));
	T(syscall(SYS_sched_setaffinity, 0, sizeof(mask), mask));
	T(syscall(SYS_sched_setaffinity, 0, sizeof(mask), 16L));
	T(syscall(SYS_sched_yield));
	return 0;
}
