/*
 * NMIs and machine checks (kernel/nmi.h; SDM vol. 3, 6.7 and chapter 16).
 *
 * An NMI that no panic sent is logged with what port 0x61 says of it. A machine check reads the error banks. If the processor says that it cannot go on, or
 * the error hit the kernel, that is a panic; an error in what a program was reading kills the program (SIGBUS, BUS_MCEERR_AR), as Linux does.
 */
#include "kernel/nmi.h"

#include "drivers/apic.h"
#include "kernel/abi.h"
#include "kernel/cpu.h"
#include "kernel/irq.h"
#include "kernel/panic.h"
#include "kernel/printk.h"

#define MSR_MCG_CAP 0x179
#define MSR_MCG_STATUS 0x17a
#define MSR_MCG_CTL 0x17b
#define MSR_MC_CTL(bank) (0x400 + 4 * (bank))
#define MSR_MC_STATUS(bank) (0x401 + 4 * (bank))
#define MSR_MC_ADDR(bank) (0x402 + 4 * (bank))
#define MCG_CTL_PRESENT BIT(8)
#define MCG_RIPV BIT(0)			/* the interrupted program could go on */
#define MC_VALID BIT(63)
#define MC_UNCORRECTED BIT(61)
#define MC_ADDRESS_VALID BIT(58)
#define MC_CONTEXT_CORRUPT BIT(57)

/* What this CPU has to tell; written in the handlers, read by nmi_later() on the same CPU. */
static struct {
	u32 nmis;
	u8 nmi_reason;			/* port 0x61: bit 7 a system error, bit 6 a card's */
	u64 error, address;		/* of a machine check that was survived; 0: none */
	bool kill;			/* the program that it hit must not go on */
} pending[NR_CPUS];

static unsigned banks(void) { return cpu_features.mca ? rdmsr(MSR_MCG_CAP) & 0xff : 0; }

void machine_check_init(void)
{
	if (banks() && rdmsr(MSR_MCG_CAP) & MCG_CTL_PRESENT)
		wrmsr(MSR_MCG_CTL, ~0UL);
	for (unsigned i = 0; i < banks(); i++) {
		wrmsr(MSR_MC_CTL(i), ~0UL);
		wrmsr(MSR_MC_STATUS(i), 0);	/* what was there before the boot is the firmware's affair */
	}
}

void nmi(struct trapframe *f)
{
	int cpu = cpu_id();

	panic_if_asked(f);
	pending[cpu].nmis++;
	pending[cpu].nmi_reason = inb(0x61);
	apic_ipi_self(VECTOR_LATER);
}

void machine_check(struct trapframe *f)
{
	int cpu = cpu_id();
	u64 worst = 0, address = 0;

	for (unsigned i = 0; i < banks(); i++) {
		u64 status = rdmsr(MSR_MC_STATUS(i));
		if (!(status & MC_VALID))
			continue;
		if (!worst || status & MC_CONTEXT_CORRUPT) {
			worst = status;
			address = status & MC_ADDRESS_VALID ? rdmsr(MSR_MC_ADDR(i)) : 0;
		}
		wrmsr(MSR_MC_STATUS(i), 0);
	}
	if (!banks() || !(rdmsr(MSR_MCG_STATUS) & MCG_RIPV) || worst & MC_CONTEXT_CORRUPT || (worst & MC_UNCORRECTED && !from_user(f)))
		panic_frame(f, "machine check: bank status %lx, address %lx: the processor cannot go on", worst, address);
	pending[cpu].error = worst;
	pending[cpu].address = address;
	pending[cpu].kill = worst & MC_UNCORRECTED;
	wrmsr(MSR_MCG_STATUS, 0);
	apic_ipi_self(VECTOR_LATER);
}

void nmi_later(void)
{
	int cpu = cpu_id();
	u32 nmis = pending[cpu].nmis;

	if (nmis) {
		pending[cpu].nmis = 0;
		printk("NMI on CPU %d%s%s%s\n", cpu, pending[cpu].nmi_reason & 0x80 ? ": system error (memory parity, PCI SERR)" : "",
		       pending[cpu].nmi_reason & 0x40 ? ": I/O check" : "", nmis > 1 ? ", several" : "");
	}
	if (pending[cpu].error) {
		printk("machine check on CPU %d: bank status %lx, address %lx: %s\n", cpu, pending[cpu].error, pending[cpu].address,
		       pending[cpu].kill ? "the program that it hit gets SIGBUS" : "corrected");
		pending[cpu].error = 0;
	}
}

/* VECTOR_LATER comes before the program's next instruction, so the current program is the one that was hit. */
void nmi_signal(const struct trapframe *f)
{
	int cpu = cpu_id();
	u64 address = pending[cpu].address;

	if (!pending[cpu].kill || !from_user(f))
		return;
	pending[cpu].kill = false;
	irq_enable();
	signal_fault(SIGBUS, BUS_MCEERR_AR, address);
	irq_disable();
}
